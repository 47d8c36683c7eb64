"""The `auto`s that decide quality rather than speed: each value with its reason and its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import sources, stages, techniques
from tuiftune.models import count
from tuiftune.plan import rates
from tuiftune.plan.cost import DIVERGED_BOUNDS, DIVERGED_SHARE, patience
from tuiftune.plan.model import Reason
from tuiftune.techniques.base import FP8

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.models.architecture import Architecture
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.device import Device
    from tuiftune.plan.rates import UsualRate
    from tuiftune.preset.schema import Preset
    from tuiftune.stages.base import Stage
    from tuiftune.techniques.base import Technique

TINY = rates.TINY
RANK, LABEL_RANK = 16, 8
MORE_ROWS, MANY_ROWS = 20_000, 100_000  # rows from which a rank of 32, and of 128, is recommended
GUIDES_RANK = 64  # where practitioners' guides end
YOURS = "preset"
FP8_MEASURED = "measured: benchmarks/fp8"
CLASSIFICATION_TOKENS = 32
LONGEST_ANSWER = 256  # new tokens of an answer where the preset leaves it open, as in the engine
ANSWER_MARGIN = 4  # for the end of a turn, as in the engine
FORMATS = frozenset(
    {"instruction", "chat", "sharegpt", "prompt-completion", "classification", "text", "preference", "kto"}
)
_NO_ADAPTERS = "not used: full tuning has no adapters"


def _stage(preset: Preset) -> Stage:
    return stages.every()[preset.method.stage]


def to_try(preset: Preset, parameters: int, device: Device) -> tuple[tuple[Technique, ...], str, str]:
    """Techniques to try in order of quality, with why and source. The one that the preset asks for."""
    asked, quantization = preset.method.technique, preset.model.quantization
    if asked != techniques.AUTO:
        return (techniques.find(asked, quantization),), "you asked for it", YOURS
    tiny, cpu = parameters <= TINY, device.kind == "cpu"
    over = not cpu or quantization != techniques.AUTO
    fp8 = device.kind == "cuda" and device.fp8
    names = techniques.automatic(tiny=tiny, quantization=quantization, over=over, fp8=fp8)
    if not names[0].adapters:
        why = f"{parameters / 1e6:.1f} M parameters: training all of them costs no more than adapters"
        return names, why, "size"
    if names[0].quantized:
        return names, "trains over a quantized base model", "technique"
    if len(names) == 1:
        why = "as good as full fine-tuning on most data, with under 1% of its trainable parameters"
        return names, why, sources.NO_REGRET.short
    why = (
        f"as good as full fine-tuning on most data; forgets less. {names[-1].name} is used if it does not fit"
    )
    return names, why, sources.together(sources.NO_REGRET, sources.FORGETS_LESS)


def quantization(preset: Preset, technique: Technique) -> Reason:
    """`model.quantization`: what the base is held in by this technique."""
    key, asked = "model.quantization", preset.model.quantization
    if asked != techniques.AUTO:
        return Reason(key, asked, "you asked for it", YOURS)
    if technique.base == FP8:
        return Reason(key, FP8, "16-bit weights do not fit; FP8 is nearer to them than 4 bits", FP8_MEASURED)
    if technique.quantized:
        return Reason(key, technique.base, f"{technique.name} holds the base in 4 bits", "technique")
    return Reason(key, technique.base, f"{technique.name} takes the base as it is", "technique")


def precision(preset: Preset, technique: Technique, device: Device) -> Reason:
    """`model.dtype`: what the base is loaded in."""
    asked = preset.model.dtype
    if asked != "auto":
        held = "; the weights are held and trained in float32" if not technique.adapters else ""
        return Reason("model.dtype", asked, "you asked for it" + (held if asked != "float32" else ""), YOURS)
    if device.kind == "cpu":
        return Reason(
            "model.dtype", "float32", "processors compute 16-bit floats slower than 32-bit ones", "hardware"
        )
    if device.bf16:
        return Reason(
            "model.dtype",
            "bfloat16",
            f"{device.name} computes in bfloat16; no loss scaling"
            + ("; the weights are held and trained in float32" if not technique.adapters else ""),
            sources.BFLOAT16.short,
        )
    if not technique.adapters:
        why = f"{device.name} has no bfloat16, and full tuning in float16 alone diverges"
        return Reason("model.dtype", "float32", why, "hardware")
    return Reason(
        "model.dtype",
        "float16",
        f"{device.name} has no bfloat16 (compute capability below 8.0)",
        sources.MIXED_PRECISION.short,
    )


def rank(preset: Preset, technique: Technique, facts: DataFacts | None, arch: Architecture) -> Reason:
    """`method.rank`: by rows, and as many parameters as tokens are trained. Full fine-tuning ignores it."""
    key = "method.rank"
    if preset.method.rank != "auto":
        return Reason(key, preset.method.rank, "you asked for it", YOURS)
    if not technique.adapters:
        return Reason(key, RANK, _NO_ADAPTERS, "technique")
    if facts is None:
        return Reason(key, RANK, "the usual start; the data is not known yet", sources.DEFAULT)
    rows, (low, high) = facts.rows, technique.ranks
    if facts.format == "classification" or (facts.labels or 0) > 0:
        why = f"{rows:,} short labels are few trained tokens"
        return Reason(key, max(LABEL_RANK, low), why, sources.NO_REGRET.short)
    usual, most = (RANK, 64) if rows < MORE_ROWS else (32, 64) if rows < MANY_ROWS else (128, 256)
    tokens = trained_tokens(preset, facts)
    value = min(max(usual, low), high)
    while value < min(most, high) and adapter_parameters(preset, technique, arch, value) < tokens:
        value *= 2
    held = adapter_parameters(preset, technique, arch, value)
    why = (
        f"{_millions(held)} adapter parameters for at most {_millions(tokens)} trained tokens ({rows:,} rows)"
    )
    source = sources.NO_REGRET.short
    if value > GUIDES_RANK:
        why += f"; {sources.PRACTITIONERS} stop at rank {GUIDES_RANK}"
        source = sources.together(source, sources.PRACTITIONERS)
    return Reason(key, value, why, source)


def trained_tokens(preset: Preset, facts: DataFacts) -> int:
    """Distinct tokens in the loss, at most: of a row its answer, where the longest answer is known."""
    row = min(facts.mean_length, float(preset.data.max_length))
    if _stage(preset).splits:
        row = facts.mean_length
    elif facts.longest_answer is not None and preset.data.loss_on != "all":
        row = min(row, facts.longest_answer + facts.around_answer)
    return int(facts.rows * row)


def adapter_parameters(preset: Preset, technique: Technique, arch: Architecture, rank_value: int) -> int:
    """Trainable parameters of adapters of a rank on the preset's target modules."""
    return count.adapter_parameters(arch, rank_value, preset.method.target_modules, technique.magnitudes)


def _millions(number: int) -> str:
    return f"{number / 1e6:,.1f} M" if number < 1e8 else f"{number / 1e6:,.0f} M"


def alpha(preset: Preset, technique: Technique, rank_value: int) -> Reason:
    if preset.method.alpha != "auto":
        return Reason("method.alpha", preset.method.alpha, "you asked for it", YOURS)
    usual = technique.alpha
    if not technique.adapters:
        return Reason("method.alpha", int(usual.value * rank_value), _NO_ADAPTERS, "technique")
    value = int(usual.value * (1 if technique.alpha_fixed else rank_value))
    return Reason("method.alpha", value, usual.why, usual.source)


def packs(preset: Preset, arch: Architecture) -> bool:
    """Whether rows share a sequence: as asked, or as the stage has it where the model keeps them apart."""
    asked = preset.data.packing
    return asked is True or (asked == "auto" and _stage(preset).packs and arch.kind.apart)


def packing(preset: Preset, arch: Architecture) -> Reason:
    key, value = "data.packing", packs(preset, arch)
    if preset.data.packing != "auto":
        return Reason(key, value, "you asked for it", YOURS)
    if value:
        return Reason(key, True, "every token of a sequence is trained on, none is padding", "technique")
    why = "a step stays effective_batch rows; packed ones would be fewer and larger steps"
    if not arch.kind.apart:
        why = f"rows in one sequence would see one another in {arch.kind.name}"
    return Reason(key, False, why, "prediction")


def usual_rate(preset: Preset, technique: Technique, model: BaseModel, steps: int | None) -> UsualRate:
    """The learning rate for this technique, model, batch and number of steps; also if the preset sets one."""
    return rates.usual(_stage(preset), technique, model, batch=preset.training.effective_batch, steps=steps)


def learning_rate(preset: Preset, usual: UsualRate) -> Reason:
    """`training.learning_rate`: as set, or the usual one."""
    key, asked = "training.learning_rate", preset.training.learning_rate
    if asked != "auto":
        return Reason(key, asked, "you asked for it", YOURS)
    return Reason(key, usual.value, usual.why, usual.source)


def adapter_dtype(preset: Preset, technique: Technique) -> Reason:
    """`method.adapter_dtype`: float32, over a 4-bit base too.

    In bfloat16 3 to 20 % of the entries moved in the last quarter of a run, and eval loss ended 0.06 to 0.14
    higher, with seeds 0.03 apart (four settings, 400 steps, H200).
    """
    key, asked = "method.adapter_dtype", preset.method.adapter_dtype
    if asked != "auto":
        lossy = asked == "bfloat16" and technique.adapters
        why = "you asked for it" + ("; late in a run it rounds most updates away" if lossy else "")
        return Reason(key, asked, why, YOURS)
    if not technique.adapters:
        return Reason(key, "float32", _NO_ADAPTERS, "technique")
    return Reason(
        key,
        "float32",
        "small updates are not rounded away",
        "measured on an H200, 400 steps, four settings; PEFT's default",
    )


def data_format(preset: Preset, facts: DataFacts | None) -> Reason | None:
    """`data.format` as it was recognised; None where the data has not been seen."""
    if preset.data.format != "auto":
        return Reason("data.format", preset.data.format, "you asked for it", YOURS)
    if facts is None or facts.format not in FORMATS:
        return None
    return Reason("data.format", facts.format, "recognised from the rows", "data")


def of_stage(preset: Preset) -> list[Reason]:
    """The options of the stage: as asked, or its usual values."""
    stage, found = _stage(preset), []
    for option in stage.options:
        key, asked = f"method.{option.key}", getattr(preset.method, option.key)
        if option.key not in stage.values:
            continue
        fact = stage.values[option.key]
        if asked != "auto":
            found.append(Reason(key, asked, "set in the preset", YOURS))
        else:
            found.append(Reason(key, fact.value, fact.why, fact.source))
    return found


def divergence_patience(preset: Preset, steps: int | None) -> Reason:
    """`training.divergence_patience`: as asked, or by the number of steps."""
    key, asked = "training.divergence_patience", preset.training.divergence_patience
    if asked != "auto":
        return Reason(key, asked, "you asked for it", YOURS)
    least, most = DIVERGED_BOUNDS
    why = f"{DIVERGED_SHARE:.0%} of the steps, {least} to {most}: a spike passes sooner"
    return Reason(key, patience(asked, steps), why, sources.PALM.short)


def score(preset: Preset, facts: DataFacts | None) -> Reason:
    key, asked = "evaluation.score", preset.evaluation.score
    if asked != "auto":
        return Reason(key, asked, "you asked for it", YOURS)
    text = facts is not None and facts.format == "text"
    if text or not _stage(preset).answers:
        why = "running text has no answers to compare"
        own = f"{_stage(preset).does} is scored by its own measures"
        return Reason(key, "none", why if text else own, "data")
    why = "generated answers are compared with the reference answers of the evaluation rows"
    return Reason(key, "exact_match", why, sources.DEFAULT)


def max_new_tokens(preset: Preset, facts: DataFacts | None) -> Reason:
    key = "evaluation.max_new_tokens"
    if preset.evaluation.max_new_tokens != "auto":
        return Reason(key, preset.evaluation.max_new_tokens, "you asked for it", YOURS)
    if facts is not None and facts.longest_answer is not None:
        value = min(LONGEST_ANSWER, facts.longest_answer + ANSWER_MARGIN)
        why = f"the longest held-out answer has {facts.longest_answer:,} tokens"
        why += "; 256 show enough of it" if value == LONGEST_ANSWER else ""
        if around := min(facts.around_answer, int(preset.data.max_length)):
            why += f"; {around:,} more for the reasoning and marks around an answer"
        return Reason(key, value + around, why, "data")
    if facts is not None and (facts.format == "classification" or (facts.labels or 0) > 0):
        return Reason(key, CLASSIFICATION_TOKENS, "a label is short", "data")
    if facts is not None:
        value = max(16, min(256, facts.longest))
        return Reason(
            key, value, "no answer is longer than the longest row, and 256 show what was learnt", "data"
        )
    return Reason(key, 256, "long enough to judge an answer; the data is not known yet", sources.DEFAULT)
