"""The `auto`s that decide quality rather than speed: each value with its reason and its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from tuiftune import figures, sources, stages, techniques
from tuiftune.models import count
from tuiftune.plan import rates
from tuiftune.plan.cost import DIVERGED_BOUNDS, DIVERGED_SHARE, patience
from tuiftune.plan.model import Reason
from tuiftune.preset.schema import DataFormat
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
FORMATS = frozenset(get_args(DataFormat)) - {"auto"}
_NO_ADAPTERS = "not used: full fine-tuning does not have adapters"
_NO_RANK = "not used: {} does not have a rank"


def _stage(preset: Preset) -> Stage:
    return stages.every()[preset.method.stage]


def to_try(preset: Preset, parameters: int, device: Device) -> tuple[tuple[Technique, ...], str, str]:
    """Return techniques to try in order of quality, with why and source; or the one that the preset sets."""
    asked, quantization = preset.method.technique, preset.model.quantization
    if asked != techniques.AUTO:
        return (techniques.find(asked, quantization),), "set in the preset", YOURS
    tiny, cpu = parameters <= TINY, device.kind == "cpu"
    over = not cpu or quantization != techniques.AUTO
    fp8 = device.kind == "cuda" and device.fp8
    names = techniques.automatic(tiny=tiny, quantization=quantization, over=over, fp8=fp8)
    if not names[0].adapters:
        why = f"only {parameters / 1e6:.1f}M parameters: training all of them costs no more than adapters"
        return names, why, "size"
    if names[0].quantized:
        return names, "trains adapters on a quantized base model", "technique"
    if len(names) == 1:
        why = "as good as full fine-tuning on most data, with under 1% of its trainable parameters"
        return names, why, sources.NO_REGRET.short
    why = (
        f"as good as full fine-tuning on most data; forgets less. {names[-1].name} is used if it does not fit"
    )
    return names, why, sources.together(sources.NO_REGRET, sources.FORGETS_LESS)


def quantization(preset: Preset, technique: Technique) -> Reason:
    """Return `model.quantization`: how this technique stores the base model."""
    key, asked = "model.quantization", preset.model.quantization
    if asked != techniques.AUTO:
        return Reason(key, asked, "set in the preset", YOURS)
    if technique.base == FP8:
        return Reason(key, FP8, "16-bit weights do not fit; FP8 is closer to them than 4 bits", FP8_MEASURED)
    if technique.quantized:
        return Reason(
            key, technique.base, f"{technique.name} uses a quantized (4-bit) base model", "technique"
        )
    return Reason(
        key, technique.base, f"{technique.name} uses the base model's weights as they are", "technique"
    )


def precision(preset: Preset, technique: Technique, device: Device) -> Reason:
    """Return `model.dtype`: the precision that the base model is loaded in."""
    asked = preset.model.dtype
    if asked != "auto":
        held = "; the weights are stored and trained in float32" if not technique.adapters else ""
        return Reason("model.dtype", asked, "set in the preset" + (held if asked != "float32" else ""), YOURS)
    if device.kind == "cpu":
        return Reason(
            "model.dtype", "float32", "CPUs compute 16-bit floats more slowly than 32-bit floats", "hardware"
        )
    if device.bf16:
        return Reason(
            "model.dtype",
            "bfloat16",
            f"{device.name} supports bfloat16, which needs no loss scaling"
            + ("; the weights are stored and trained in float32" if not technique.adapters else ""),
            sources.BFLOAT16.short,
        )
    if not technique.adapters:
        why = f"{device.name} does not support bfloat16, and full fine-tuning in float16 alone diverges"
        return Reason("model.dtype", "float32", why, "hardware")
    return Reason(
        "model.dtype",
        "float16",
        f"{device.name} does not support bfloat16 (compute capability below 8.0)",
        sources.MIXED_PRECISION.short,
    )


def rank(preset: Preset, technique: Technique, facts: DataFacts | None, arch: Architecture) -> Reason:
    """`method.rank`: by rows, and as many parameters as tokens are trained. Full fine-tuning ignores it."""
    key = "method.rank"
    if preset.method.rank != "auto":
        return Reason(key, preset.method.rank, "set in the preset", YOURS)
    if not technique.adapters:
        return Reason(key, RANK, _NO_ADAPTERS, "technique")
    if not technique.ranked:
        return Reason(key, RANK, _NO_RANK.format(technique.name), "technique")
    if _stage(preset).rollouts:
        return Reason(
            key, RANK, "a reward is little to learn from: ranks of 1 to 32 do", sources.NO_REGRET.short
        )
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
        f"{figures.count(held)} adapter parameters for at most {figures.count(tokens)} trained tokens"
        f" ({figures.plural(rows, 'row')})"
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


def alpha(preset: Preset, technique: Technique, rank_value: int) -> Reason:
    if preset.method.alpha != "auto":
        return Reason("method.alpha", preset.method.alpha, "set in the preset", YOURS)
    usual = technique.alpha
    if not technique.adapters:
        return Reason("method.alpha", int(usual.value * rank_value), _NO_ADAPTERS, "technique")
    if not technique.ranked:
        why = _NO_RANK.format(technique.name)
        return Reason("method.alpha", int(usual.value * rank_value), why, "technique")
    value = int(usual.value * (1 if technique.alpha_fixed else rank_value))
    return Reason("method.alpha", value, usual.why, usual.source)


def packs(preset: Preset, arch: Architecture) -> bool:
    """Return True if rows share a sequence: as set, or if the stage packs and the model keeps rows apart."""
    asked = preset.data.packing
    return asked is True or (asked == "auto" and _stage(preset).packs and arch.kind.apart)


def packing(preset: Preset, arch: Architecture) -> Reason:
    key, value = "data.packing", packs(preset, arch)
    if preset.data.packing != "auto":
        return Reason(key, value, "set in the preset", YOURS)
    if value:
        return Reason(key, True, "every position of a sequence holds a token, none is padding", "technique")
    why = "each step has effective_batch rows; packing would make fewer, larger steps"
    if not arch.kind.apart:
        why = f"in {arch.kind.name}, rows packed into one sequence would attend to each other"
    return Reason(key, False, why, "prediction")


def usual_rate(preset: Preset, technique: Technique, model: BaseModel, steps: int | None) -> UsualRate:
    """The learning rate for this technique, model, batch and number of steps; also if the preset sets one."""
    return rates.usual(_stage(preset), technique, model, batch=preset.training.effective_batch, steps=steps)


def learning_rate(preset: Preset, usual: UsualRate) -> Reason:
    """`training.learning_rate`: as set, or the usual one."""
    key, asked = "training.learning_rate", preset.training.learning_rate
    if asked != "auto":
        return Reason(key, asked, "set in the preset", YOURS)
    return Reason(key, usual.value, usual.why, usual.source)


def adapter_dtype(preset: Preset, technique: Technique) -> Reason:
    """`method.adapter_dtype`: float32, also on a 4-bit base model.

    In bfloat16 3 to 20 % of the entries moved in the last quarter of a run, and eval loss ended 0.06 to 0.14
    higher, with seeds 0.03 apart (four settings, 400 steps, H200).
    """
    key, asked = "method.adapter_dtype", preset.method.adapter_dtype
    if asked != "auto":
        lossy = asked == "bfloat16" and technique.adapters
        why = "set in the preset" + ("; late in a run, rounding removes most updates" if lossy else "")
        return Reason(key, asked, why, YOURS)
    if not technique.adapters:
        return Reason(key, "float32", _NO_ADAPTERS, "technique")
    return Reason(
        key,
        "float32",
        "keeps small updates that bfloat16 would round away",
        "measured on an H200, 400 steps, four settings; PEFT's default",
    )


def data_format(preset: Preset, facts: DataFacts | None) -> Reason | None:
    """Return `data.format` as it was detected; None if the data is not known."""
    if preset.data.format != "auto":
        return Reason("data.format", preset.data.format, "set in the preset", YOURS)
    if facts is None or facts.format not in FORMATS:
        return None
    return Reason("data.format", facts.format, "detected from the rows", "data")


def of_stage(preset: Preset, *, adapted: bool) -> list[Reason]:
    """Return the options of the stage: as set, or their usual values."""
    stage, found = _stage(preset), []
    for option in stage.options:
        key, asked = f"method.{option.key}", getattr(preset.method, option.key)
        if option.key not in stage.values:
            continue
        fact = stage.usual(option.key, adapted=adapted)
        if asked != "auto":
            found.append(Reason(key, asked, "set in the preset", YOURS))
        else:
            found.append(Reason(key, fact.value, fact.why, fact.source))
    return found


def divergence_patience(preset: Preset, steps: int | None) -> Reason:
    """Return `training.divergence_patience`: as set, or by the number of steps."""
    key, asked = "training.divergence_patience", preset.training.divergence_patience
    if asked != "auto":
        return Reason(key, asked, "set in the preset", YOURS)
    least, most = DIVERGED_BOUNDS
    why = f"{DIVERGED_SHARE:.0%} of the steps, from {least} to {most}: a loss spike is over sooner"
    return Reason(key, patience(asked, steps), why, sources.PALM.short)


def score(preset: Preset, facts: DataFacts | None) -> Reason:
    key, asked = "evaluation.score", preset.evaluation.score
    if asked != "auto":
        return Reason(key, asked, "set in the preset", YOURS)
    text = facts is not None and facts.format == "text"
    if text or not _stage(preset).answers:
        why = "raw text does not have answers to compare"
        own = f"{_stage(preset).does} is evaluated by its own metrics"
        return Reason(key, "none", why if text else own, "data")
    why = "generated answers are compared with the reference answers of the evaluation rows"
    return Reason(key, "exact_match", why, sources.DEFAULT)


def max_new_tokens(preset: Preset, facts: DataFacts | None) -> Reason:
    key = "evaluation.max_new_tokens"
    if preset.evaluation.max_new_tokens != "auto":
        return Reason(key, preset.evaluation.max_new_tokens, "set in the preset", YOURS)
    if facts is not None and facts.longest_answer is not None:
        value = min(LONGEST_ANSWER, facts.longest_answer + ANSWER_MARGIN)
        why = f"the longest reference answer has {facts.longest_answer:,} tokens"
        why += "; 256 are enough to compare" if value == LONGEST_ANSWER else ""
        if around := min(facts.around_answer, int(preset.data.max_length)):
            why += f"; {around:,} more for the reasoning and special tokens around an answer"
        return Reason(key, value + around, why, "data")
    if facts is not None and (facts.format == "classification" or (facts.labels or 0) > 0):
        return Reason(key, CLASSIFICATION_TOKENS, "labels are short", "data")
    if facts is not None:
        value = max(16, min(256, facts.longest))
        return Reason(
            key, value, "no answer is longer than the longest row; 256 tokens are enough to compare", "data"
        )
    return Reason(key, 256, "enough to compare answers; the data is not known yet", sources.DEFAULT)
