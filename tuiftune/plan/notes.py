"""What a plan assumed, left out or would recommend, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import size
from tuiftune.models import count
from tuiftune.plan.device import near
from tuiftune.plan.model_size import larger_than_needed
from tuiftune.plan.rates import FULL_SHARE, written

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.data.similar.twins import Twins
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan import cost
    from tuiftune.plan.device import Device
    from tuiftune.plan.model import Sharded
    from tuiftune.plan.padding import Lengths
    from tuiftune.plan.rates import UsualRate
    from tuiftune.preset.schema import Preset
    from tuiftune.techniques.base import Technique

REACHED = 0.99  # of the layers' weights; less is said


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
) -> tuple[str, ...]:
    """What a reader of the plan should know: assumptions, the data's lengths, budgets, prices."""
    notes = [*_near(needs, device), *device.notes, *model.architecture.notes]
    notes += _rate(preset, technique, usual)
    if said := larger_than_needed(model.parameters, facts):
        notes.append(said)
    notes += _experts(preset, model, technique)
    if not model.architecture.known and not model.architecture.notes:
        notes.append(f"{model.architecture.family} is treated as Llama-like; the bound is 15 % wider.")
    if facts is None:
        notes.append(f"without data, every row counts as {preset.data.max_length:,} tokens long.")
        if amount.steps is None:
            notes.append("steps, time and cost need the data, or training.max_steps.")
    else:
        notes.append(f"lengths: {facts.basis}.")
        if facts.portions:
            notes.append(_mixture(facts))
        if facts.test is not None:
            notes.append(_test(facts.test))
    if sharded is not None:
        fits = "it fits" if sharded.fits else "too much"
        notes.append(
            f"sharded over {sharded.cards} cards (FSDP2), full tuning would need "
            f"{size(sharded.memory.needs)} of each ({fits}) and do "
            f"{sharded.tokens_per_second:,.0f} tokens/s: predicted only, tuiftune trains a copy on each card."
        )
    if lengths.rows is not None and seconds is not None and seconds > 30 * 86400:
        notes.append(
            f"{lengths.rows:,} rows would train for {seconds / 86400:,.0f} days: set training.max_steps."
        )
    budget = preset.budget
    if budget.max_hours is not None and seconds is not None and seconds > budget.max_hours * 3600:
        notes.append(
            f"the budget of {budget.max_hours:g} h ends the run at {budget.max_hours * 3600 / seconds:.0%}."
        )
    if budget.max_usd is not None and usd is not None and usd > budget.max_usd:
        notes.append(f"the budget of ${budget.max_usd:,.2f} ends the run at {budget.max_usd / usd:.0%}.")
    if budget.usd_per_hour is None and device.price_basis:
        notes.append(f"price: middle of {device.price_basis} a card; enter yours as budget.usd_per_hour.")
    return tuple(notes)


def _near(needs: int, device: Device) -> list[str]:
    """That a plan fits so closely that another program on the card, or a few rows more, would be too much."""
    if not near(needs, device.capacity):
        return []
    whose = "this machine" if device.kind == "cpu" else "the card"
    return [
        f"close to the limit: {size(needs)} of the {size(device.capacity)} that {whose} gives, "
        f"{(device.capacity - needs) / device.capacity:.1%} to spare. Leave nothing else running on it, "
        "or take an alternative that needs less."
    ]


def _rate(preset: Preset, technique: Technique, usual: UsualRate) -> list[str]:
    """That a learning rate that was set is far from what is usual here."""
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
    """That adapters on every expert of a mixture may be more than was meant; what was asked for stays."""
    arch = model.architecture
    if not technique.adapters:
        return []
    targets = preset.method.target_modules
    reach = arch.counted.reach_of(targets) if arch.counted and isinstance(targets, str) else None
    if targets == "all-linear" and reach and reach.reached < REACHED * reach.whole:
        left = 1 - reach.reached / reach.whole
        return [f"all-linear leaves {left:.0%} of the layers' weights without adapters."]
    if not count.adapts_experts(arch, targets):
        return []
    rank = 16 if preset.method.rank == "auto" else preset.method.rank
    few = count.adapter_parameters(arch, rank, "attention") if count.has_attention(arch) else 0
    every = count.adapter_parameters(arch, rank, "all-linear")
    return [
        f"all-linear adapts all {arch.num_experts} experts of each layer: {every / 1e6:,.0f} M parameters "
        f"at rank {rank}."
        + (f" method.target_modules: attention trains {few / 1e6:,.0f} M, in less time." if few else "")
    ]


def _test(found: Twins) -> str:
    """How many test rows there are, and how many of them are not new."""
    said = f"data.test: {found.held_out:,} rows; nothing is measured on them yet"
    if found.rows:
        said += (
            f"; {found.rows:,} of them are among the training or evaluation rows too "
            f"({found.equal:,} equal, {found.near:,} nearly): remove them from one of the two"
        )
    return f"{said}."


def _mixture(facts: DataFacts) -> str:
    rows = sum(portion.seen for portion in facts.portions)
    parts = [
        f"{portion.source} {portion.seen:,} ({portion.seen / max(1, rows):.0%})" for portion in facts.portions
    ]
    left = sum(portion.left_out for portion in facts.portions)
    return (
        f"an epoch is {rows:,} rows: {', '.join(parts)}"
        + (f"; {left:,} left out, their prompts are held out" if left else "")
        + "."
    )
