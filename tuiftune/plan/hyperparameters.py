"""The `auto`s that decide quality rather than speed: each value with its reason and its source.

Sources are practitioners' guides: A a guide with case studies, B code-first, C an engineering handbook,
D a when-to-fine-tune handbook, E a consultant's; where they disagree, the reason says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune import stages, techniques
from tuiftune.plan.cost import DIVERGED_BOUNDS, DIVERGED_SHARE, patience
from tuiftune.plan.model import Reason
from tuiftune.techniques.base import FP8

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.models.architecture import Architecture
    from tuiftune.plan.device import Device
    from tuiftune.preset.schema import Preset
    from tuiftune.stages.base import Stage
    from tuiftune.techniques.base import Technique

TINY = 50_000_000
LARGE = 20_000_000_000
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
        return names, "near full tuning's quality at under 1 % of its trainable weights", "guides A, B, C"
    why = f"near full tuning's quality, forgets less; before {names[-1].name} wherever it fits"
    return names, why, "guides A, B, C"


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
            "guides A, B, C",
        )
    if not technique.adapters:
        why = f"{device.name} has no bfloat16, and full tuning in float16 alone diverges"
        return Reason("model.dtype", "float32", why, "hardware")
    return Reason(
        "model.dtype",
        "float16",
        f"{device.name} has no bfloat16 (compute capability below 8.0)",
        "guides A, B",
    )


def rank(preset: Preset, technique: Technique, facts: DataFacts | None) -> Reason:
    """`method.rank` by task and amount of data; 16 where nothing is known. Full tuning ignores it."""
    key = "method.rank"
    if preset.method.rank != "auto":
        return Reason(key, preset.method.rank, "you asked for it", YOURS)
    if not technique.adapters:
        return Reason(key, 16, _NO_ADAPTERS, "technique")
    if facts is None:
        return Reason(
            key, 16, "the usual start; the data is not known yet", "guides A, B, C: 8–64, start at 16"
        )
    rows, source = facts.rows, "guides A, B, C: 8–64, start at 16"
    low, high = technique.ranks
    if facts.format == "classification" or (facts.labels or 0) > 0:
        value, why = 8, f"classification ({rows:,} rows) changes little in the model"
        if low > value:
            why = f"classification needs little, and over a 4-bit base {low} is the floor"
            value, source = low, f"guides: QLoRA {low}–{high}"
    elif rows < 20_000:
        value, why = 16, f"{rows:,} rows: enough room to learn, too little to memorise"
    elif rows < 100_000 or high <= 32:
        value, why = 32, f"{rows:,} rows carry more than a rank of 16 holds"
    else:
        value, why = 64, f"{rows:,} rows carry more than a rank of 32 holds"
    return Reason(key, value, why, source)


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


def learning_rate(preset: Preset, technique: Technique, rank_value: int, parameters: int) -> Reason:
    """Peak learning rate by technique and model size."""
    key = "training.learning_rate"
    if preset.training.learning_rate != "auto":
        return Reason(key, preset.training.learning_rate, "you asked for it", YOURS)
    return usual_rate(technique, rank_value, parameters, preset.method.stage)


def usual_rate(technique: Technique, rank_value: int, parameters: int, stage: str) -> Reason:
    """Return the peak learning rate that is chosen for a technique, a number of parameters and a stage."""
    rates = technique.rates
    fact = rates.usual
    if parameters <= TINY:
        fact = rates.tiny
    elif rates.large is not None and parameters >= LARGE:
        fact = rates.large
    elif rates.wide is not None and rank_value >= 64:
        fact = rates.wide
    usual = Reason("training.learning_rate", fact.value, fact.why, fact.source)
    of = stages.every().get(stage)
    if of is None or of.rate == 1:
        return usual
    return replace(usual, value=fact.value * of.rate, why=of.why_rate, source="tuiftune default")


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
    return Reason(key, "float32", "small updates are not rounded away", "measured; PEFT's default")


def data_format(preset: Preset, facts: DataFacts | None) -> Reason | None:
    """`data.format` as it was recognised; None where the data has not been seen."""
    if preset.data.format != "auto":
        return Reason("data.format", preset.data.format, "you asked for it", YOURS)
    if facts is None or facts.format not in FORMATS:
        return None
    return Reason("data.format", facts.format, "recognised from the rows", "data")


def divergence_patience(preset: Preset, steps: int | None) -> Reason:
    """`training.divergence_patience`: as asked, or by the number of steps."""
    key, asked = "training.divergence_patience", preset.training.divergence_patience
    if asked != "auto":
        return Reason(key, asked, "you asked for it", YOURS)
    least, most = DIVERGED_BOUNDS
    why = f"{DIVERGED_SHARE:.0%} of the steps, {least} to {most}: a spike passes sooner"
    return Reason(key, patience(asked, steps), why, "PaLM (Chowdhery et al., 2022)")


def score(preset: Preset, facts: DataFacts | None) -> Reason:
    key, asked = "evaluation.score", preset.evaluation.score
    if asked != "auto":
        return Reason(key, asked, "you asked for it", YOURS)
    text = facts is not None and facts.format == "text"
    if text or not stages.every()[preset.method.stage].answers:
        return Reason(key, "none", "running text has no answers to compare", "data")
    return Reason(
        key, "exact_match", "answers are compared with the held-out references", "guides: held-out rows"
    )


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
    return Reason(key, 256, "long enough to judge an answer; the data is not known yet", "tuiftune")
