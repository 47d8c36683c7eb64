"""Notes of a plan: its assumptions, warnings and the basis of the price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import stages
from tuiftune.data.mix.split import as_share
from tuiftune.figures import count as parameters
from tuiftune.figures import duration, size, sizes
from tuiftune.models import count
from tuiftune.plan.device import near
from tuiftune.plan.model import PRICE_NOTES
from tuiftune.plan.model_size import larger_than_needed
from tuiftune.plan.parallelism import OFFLOADED, SHARDED, ZERO
from tuiftune.plan.rates import FULL_SHARE, written
from tuiftune.techniques.base import FP8

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.data.similar.twins import Twins
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan import cost
    from tuiftune.plan.device import Device
    from tuiftune.plan.model import Sharded
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.rates import UsualRate
    from tuiftune.plan.search import Candidate
    from tuiftune.preset.schema import Preset
    from tuiftune.techniques.base import Technique

ACTIVATIONS = ("activations kept", "activations peak")  # components of a plan's memory
LONG_SHARE = 0.25  # of a GPU's memory, from which one row's activations are noted
FORWARD = 3  # times as many tokens a second are evaluated as trained: no backward pass
LONG_EVALUATION, OF_TRAINING = 600.0, 0.02  # seconds of one, and share of the training of all, that are noted
ENOUGH = 10_000  # evaluation rows: the mean loss of a row is within 1% of its standard deviation
ONE_STEP = (
    "All rows fit into a single optimizer step, which changes the model little: lower "
    "training.effective_batch, or raise training.epochs."
)
REACHED = 0.99  # share of the layers' weights; a lower share is noted


def of(
    preset: Preset,
    model: BaseModel,
    device: Device,
    facts: DataFacts | None,
    lengths: Lengths,
    amount: cost.Amount,
    seconds: float | None,
    usd: float | None,
    technique: Technique,
    sharded: Sharded | None,
    needs: int,
    usual: UsualRate,
    parallel: str,
    ram: int,
) -> tuple[str, ...]:
    """Return the notes: assumptions, lengths of the data, budget limits, prices."""
    notes = [*_near(needs, device), *_emulated(technique, device), *device.notes, *model.architecture.notes]
    notes += _rate(preset, technique, usual)
    if preset.method.rank != "auto" and not technique.ranked:
        notes.append(f"method.rank is set, and not used: {technique.name} does not have a rank.")
    if said := larger_than_needed(model.parameters, facts):
        notes.append(said)
    notes += _experts(preset, model, technique)
    if not model.architecture.known and not model.architecture.notes:
        notes.append(f"{model.architecture.family} is treated as Llama-like; the safety margin is 15% wider.")
    if facts is None:
        notes.append(f"Without data, every row counts as {preset.data.max_length:,} tokens.")
        if amount.steps is None:
            notes.append("Steps, time and cost need the data, or training.max_steps.")
    else:
        if amount.steps == 1 and preset.training.max_steps is None:
            notes.append(ONE_STEP)
        notes.append(f"Lengths: {facts.basis}.")
        stage = stages.every()[preset.method.stage]
        if stage.truncates:
            notes += _truncated(facts, preset.data.max_length)
        elif stage.writes and facts.dropped:
            notes.append(
                f"{facts.dropped:,} prompts fill data.max_length ({preset.data.max_length:,} tokens) and are "
                "left out."
            )
        if facts.equal:
            notes.append(f"{facts.equal:,} pairs have two equal answers and are left out.")
        if facts.late:
            notes.append(
                f"{facts.late:.0%} of the rows reason after the chat template has closed the reasoning by "
                "default: set data.reasoning: drop, or use a model that reasons by default."
            )
        if facts.portions:
            notes.append(_mixture(facts))
            if preset.data.system:
                notes.append("data.system goes before the rows of data.train, not before those mixed in.")
        if facts.test is not None:
            notes.append(_test(facts.test))
    if sharded is not None:
        fits = "it fits" if sharded.fits else "it does not fit"
        notes.append(
            f"Full fine-tuning on {sharded.cards} GPUs that share the model (FSDP2) would need "
            f"{size(sharded.memory.needs)} per GPU ({fits}), at {sharded.tokens_per_second:,.0f} tokens/s: "
            "hardware.parallel: fsdp."
        )
    if ram:
        notes.append(
            f"{size(ram)} of RAM are needed to load the model before it is sharded, and to gather it."
        )
    if parallel in SHARDED and device.kind == "cuda":
        notes.append(
            "FSDP2 was measured on two GPUs only, with short rows: memory within 5%, speed 1.2 to 1.7 times "
            "too high."
        )
        if parallel == OFFLOADED:
            notes.append("Offloading to RAM was tested on CPUs only: its speed is calculated, not measured.")
    if parallel == ZERO and device.kind == "cuda":
        notes.append(
            "ZeRO-2 was tested on CPUs only: its memory and speed on GPUs are calculated, not measured."
        )
        notes.append("With ZeRO-2 there is no preflight check.")
    if lengths.rows is not None and seconds is not None and seconds > 30 * 86400:
        notes.append(
            f"{lengths.rows:,} rows would train for {seconds / 86400:,.0f} days: set training.max_steps."
        )
    budget = preset.budget
    if budget.max_hours is not None and seconds is not None and seconds > budget.max_hours * 3600:
        notes.append(
            f"The budget limit of {budget.max_hours:g} h stops the run at "
            f"{budget.max_hours * 3600 / seconds:.0%}."
        )
    if budget.max_usd is not None and usd is not None and usd > budget.max_usd:
        notes.append(
            f"The budget limit of ${budget.max_usd:,.2f} stops the run at {budget.max_usd / usd:.0%}."
        )
    if budget.usd_per_hour is None and device.price_basis:
        notes.append(
            f"{PRICE_NOTES[0]}the middle of {device.price_basis} per GPU. Set your own price: "
            "budget.usd_per_hour."
        )
    return tuple(notes)


def long_rows(best: Candidate, device: Device, copies: int) -> list[str]:
    """Say what context parallelism would save where one row fills much of each GPU, and why it is no choice.

    PyTorch's `context_parallel` is a prototype whose interface may change
    (docs.pytorch.org/docs/stable/distributed.tensor.html).
    """
    parts = best.memory.components
    kept = sum(parts.get(name, 0) for name in ACTIVATIONS)
    long = best.settings.micro_batch == 1 and kept > LONG_SHARE * device.capacity
    if not long or copies == 1 or device.kind != "cuda":
        return []
    return [
        f"The activations of one row take {size(kept)} on each GPU. Context parallelism would divide them by "
        f"{copies}; PyTorch's own is a prototype, so it is not offered."
    ]


def long_evaluations(
    preset: Preset,
    facts: DataFacts | None,
    steps: int | None,
    seconds: float | None,
    tokens_per_second: float,
) -> list[str]:
    """Say how long an evaluation set delays a run, which the predicted time leaves out.

    `preset` is resolved. It is evaluated before training, and once every `evaluation.every` steps.
    """
    if facts is None or not steps or not seconds or stages.every()[preset.method.stage].writes:
        return []
    each = facts.rows_eval * min(facts.mean_length, preset.data.max_length) / (tokens_per_second * FORWARD)
    times = 1 + -(-steps // int(preset.evaluation.every))
    if each < LONG_EVALUATION or each * times < OF_TRAINING * seconds:
        return []
    share = f"{ENOUGH / (facts.rows + facts.rows_eval):.1g}"
    fewer = "a file of fewer rows" if as_share(preset.data.eval) is None else share
    return [
        f"Evaluating {facts.rows_eval:,} rows takes about {duration(each)}, before training and {times - 1} "
        f"times during it, in addition to the predicted time: {ENOUGH:,} rows are enough, "
        f"data.eval: {fewer}."
    ]


def _emulated(technique: Technique, device: Device) -> list[str]:
    if technique.base != FP8 or device.kind != "cpu":
        return []
    return ["FP8 is emulated on the CPU: slower than 16 bit, and only useful to see what rounding costs."]


def _near(needs: int, device: Device) -> list[str]:
    """Warn of a plan that fits so closely that another program on the GPU would be too much."""
    if not near(needs, device.capacity):
        return []
    whose = "this machine" if device.kind == "cpu" else "the GPU"
    needed, there = sizes(needs, device.capacity)
    return [
        f"Close to the limit: {needed} of {whose}'s {there}, with "
        f"{(device.capacity - needs) / device.capacity:.1%} free. Run nothing else on it, "
        "or use an alternative that needs less."
    ]


def _rate(preset: Preset, technique: Technique, usual: UsualRate) -> list[str]:
    """Warn of a learning rate in the preset that is far outside the usual band."""
    rate = preset.training.learning_rate
    if rate == "auto" or not usual.far(rate):
        return []
    band = f"{written(usual.low)} to {written(usual.high)}"
    times = usual.beyond(rate)
    if times > 1:
        what = f"{times:.2g}× above {band}, where the best rate is expected: the loss may spike or diverge"
    else:
        what = f"{1 / times:.2g}× below {band}, where the best rate is expected: it may learn almost nothing"
        if technique.adapters and rate >= usual.value * FULL_SHARE / 2:
            what += ". That is a rate of full fine-tuning; adapters take ten times as much"
    return [f"training.learning_rate {written(rate)} is {what}. auto takes {written(usual.value)}."]


def _experts(preset: Preset, model: BaseModel, technique: Technique) -> list[str]:
    """Warn of adapters on every expert of a mixture, and of layers that all-linear does not reach."""
    arch = model.architecture
    if not technique.adapters:
        return []
    targets = preset.method.target_modules
    reach = arch.counted.reach_of(targets) if arch.counted and isinstance(targets, str) else None
    if targets == "all-linear" and reach and reach.reached < REACHED * reach.whole:
        left = 1 - reach.reached / reach.whole
        return [f"all-linear covers all but {left:.0%} of the layers' weights."]
    if not count.adapts_experts(arch, targets):
        return []
    rank = 16 if preset.method.rank == "auto" else preset.method.rank
    few = count.adapter_parameters(arch, rank, "attention") if count.has_attention(arch) else 0
    every = count.adapter_parameters(arch, rank, "all-linear")
    return [
        f"all-linear adapts all {arch.num_experts} experts of each layer: {parameters(every)} parameters "
        f"at rank {rank}."
        + (f" method.target_modules: attention trains {parameters(few)}, in less time." if few else "")
    ]


def _truncated(facts: DataFacts, max_length: int) -> list[str]:
    """Tell how many rows are longer than `max_length`, by the quantiles of their lengths."""
    if facts.longest <= max_length:
        return []
    steps = len(facts.quantiles) - 1
    share = sum(length > max_length for length in facts.quantiles[1:]) / steps
    which = "Every row is" if facts.quantiles[0] > max_length else f"About {share:.0%} of the rows are"
    if share <= 1 / steps:
        which = f"Fewer than {1 / steps:.0%} of the rows are"
    lost = f"{facts.dropped:,} of them keep no trained token and are left out" if facts.dropped else ""
    return [
        f"{which} longer than data.max_length ({max_length:,} tokens; the longest has {facts.longest:,}), "
        f"and truncated{lost and f'; {lost}'}: `tuiftune data inspect --max-length {max_length}` says what "
        "of the answers is lost."
    ]


def _test(found: Twins) -> str:
    """Return the number of test rows, and how many of them are in the other data too."""
    said = f"data.test: {found.held_out:,} rows, not used for evaluation yet"
    if found.rows:
        said += (
            f"; {found.rows:,} of them also appear in the training or evaluation rows "
            f"({found.equal:,} exactly, {found.near:,} nearly): drop them from one of the two"
        )
    return f"{said}."


def _mixture(facts: DataFacts) -> str:
    rows = sum(portion.seen for portion in facts.portions)
    shares = [f", {tokens / max(1, sum(facts.tokens)):.0%} of the tokens" for tokens in facts.tokens]
    parts = [
        f"{portion.source} {portion.seen:,} ({portion.seen / max(1, rows):.0%}{share})"
        for portion, share in zip(facts.portions, shares or [""] * len(facts.portions), strict=True)
    ]
    left = sum(portion.left_out for portion in facts.portions)
    return (
        f"An epoch is {rows:,} rows: {', '.join(parts)}"
        + (f"; {left:,} dropped, because their prompts are in the evaluation set" if left else "")
        + (f"; {facts.shared:,} are in more than one source, and seen for each" if facts.shared else "")
        + "."
    )
