"""What a value does to quality, in words: the guides' experience, or what the rows themselves say.

Guides A–E are the practitioners' guides that `advice.signals` names. Nothing here is a prediction: no
formula knows the score of a run before it has been measured on held-out rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import techniques
from tuiftune.options import Quality
from tuiftune.preset import method
from tuiftune.techniques.base import FP8, NONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.data.facts import DataFacts
    from tuiftune.techniques.base import Technique

TINY = 50_000_000  # parameters below which the guides' figures do not apply


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the effect of a value depends on. `facts` None before the data is known."""

    technique: Technique
    parameters: int
    facts: DataFacts | None = None


def quality(key: str, value: Any, around: Circumstances) -> Quality | None:
    """What the value of a dotted preset key does to the result; None where nothing is known of it."""
    if value is None or value == "auto":
        return None
    if key in _ABOUT:
        return _ABOUT[key](value, around)
    option = method.options().get(key.removeprefix("method."))
    return None if option is None or option.quality is None else option.quality(value)


_NONE = "none: the same numbers come out, only memory and speed change"


def _technique(value: Any, around: Circumstances) -> Quality | None:
    del around
    known = techniques.every().get(str(value))
    return None if known is None else known.quality


def _rank(value: Any, around: Circumstances) -> Quality:
    if not around.technique.adapters:
        return Quality("same", "none: full tuning has no adapters", "technique")
    low, high = around.technique.ranks
    source = f"guides A–C: {low}–{high}, start at 16"
    if value < low:
        return Quality("worse", f"below {low} little beyond fixed labels is learnt", source)
    if value > high:
        return Quality("unsure", f"above {high} it learns single rows by heart before it learns more", source)
    if value > 16:
        return Quality("unsure", "room for more: pays with tens of thousands of rows, else memorises", source)
    return Quality("same", "enough for most tasks" if value >= 16 else "enough for fixed labels", source)


def _alpha(value: Any, around: Circumstances) -> Quality:
    del value, around
    return Quality(
        "same", "scales what the adapters say, as the learning rate does: twice the rank", "guides A–C"
    )


def _dropout(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        return Quality(
            "unsure", "the guides take 0.05, which holds back memorising where rows are few", "guides"
        )
    if value <= 0.1:
        return Quality("same", "holds back memorising where rows are few", "guides: 0.05")
    return Quality("worse", "far above what the guides take: little is left to learn with", "guides: 0.05")


def _targets(value: Any, around: Circumstances) -> Quality:
    del around
    if value == "all-linear":
        return Quality("same", "every linear layer learns: today's default", "guides: q and v are the least")
    return Quality("worse", "fewer layers learn than with all-linear", "guides: q and v are the least")


def _epochs(value: Any, around: Circumstances) -> Quality:
    del around
    source = "guides: 1–3, above 3 overfits"
    if value > 3:
        return Quality("worse", "begins to learn its rows by heart: watch the held-out loss turn up", source)
    if value < 1:
        return Quality("worse", "some rows are never seen", source)
    return Quality("same", "within what the guides advise; the best checkpoint is kept", source)


def _learning_rate(value: Any, around: Circumstances) -> Quality:
    if around.parameters <= TINY:
        return Quality(
            "unsure", "the guides speak of models a hundred times this size: judge by the loss", "size"
        )
    rates = around.technique.rates
    low, high = rates.within
    source = rates.source
    if value > high:
        return Quality("worse", "above the guides: spikes, forgetting, at worst not a number", source)
    if value < low:
        return Quality("worse", "below the guides: the loss stays flat, little is learnt", source)
    return Quality("same", "where the guides begin; too high spikes, too low stays flat", source)


def _length(value: Any, around: Circumstances) -> Quality | None:
    facts = around.facts
    if facts is None:
        return None
    source = f"your rows ({facts.basis})"
    if value >= facts.longest:
        return Quality("same", f"no row is cut: the longest has {facts.longest:,} tokens", source)
    below = sum(quantile <= value for quantile in facts.quantiles)
    cut = max(1, 100 - 5 * max(0, below - 1)) if below < len(facts.quantiles) else 1
    words = f"about {cut} % of the rows lose the end of their answer, and learn not to stop"
    return Quality("worse", words, source)


def _batch(value: Any, around: Circumstances) -> Quality:
    del around
    source = "guides: 16–32"
    if value < 16:
        return Quality("unsure", "more steps, each noisier; fits few rows", source)
    if value > 32:
        return Quality("unsure", "steadier but fewer steps: few rows are then hardly learnt", source)
    return Quality("same", "steady steps, and enough of them", source)


def _warmup(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        return Quality("worse", "the first steps jump at the full rate", "guide C: 0.03; guide B: 0.1")
    return Quality("same", "settles the optimizer before the full rate", "guide C: 0.03; guide B: 0.1")


def _held_out(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        return Quality(
            "unsure", "nothing is measured: nobody can say whether it got better", "pitfall of all guides"
        )
    return Quality(
        "same", "measured on rows it never trains on", "guides: 80/10/10, or 90/5/5 of larger sets"
    )


def _loss_on(value: Any, around: Circumstances) -> Quality:
    if value == "all" and (around.facts is None or around.facts.format != "text"):
        return Quality("worse", "learns to ask as much as to answer", "pitfall: loss on the prompt")
    return Quality("same", "the loss is taken on what it should say", "pitfall: loss on the prompt")


def _optimizer(value: Any, around: Circumstances) -> Quality:
    if "8bit" in str(value):
        leans = "same" if around.technique.quantized else "unsure"
        return Quality(
            leans, "moments in 8 bits: the guides take them for QLoRA", "guides: AdamW, 8-bit for QLoRA"
        )
    return Quality("same", "AdamW, as the guides have it", "guides: AdamW, 8-bit for QLoRA")


def _schedule(value: Any, around: Circumstances) -> Quality:
    del around
    if str(value).startswith("constant"):
        return Quality("worse", "never settles: the last steps are as large as the first", "guides: cosine")
    return Quality("same", "ends in small steps, which settle what was learnt", "guides: cosine")


def _early_stopping(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        return Quality("unsure", "goes on past the best point, which is kept", "guides: stop early")
    return Quality("same", "ends when the held-out loss no longer falls", "guides: stop early, keep the best")


def _divergence(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        return Quality("unsure", "a run that diverges trains to its end, to no use", "tuiftune default: auto")
    return Quality("same", "ends a run whose loss has risen and stays there", "Bengio 2012, 3.1.1")


def _decay(value: Any, around: Circumstances) -> Quality:
    del around
    if value > 0.01:
        return Quality("unsure", "pulls the weights harder than the guides do", "guides: 0.01")
    return Quality("same", "a light pull towards zero, or none", "guides: 0.01")


def _quantization(value: Any, around: Circumstances) -> Quality:
    del around
    if value == NONE:
        return Quality("same", "the base model's weights stay as they are", "guides A–C")
    if value == FP8:
        words = "near 16-bit weights: about a quarter of what 4 bits cost"
        return Quality("same", words, "measured: benchmarks/fp8")
    words = "slightly below weights that are not quantized: take it where those do not fit"
    return Quality("worse", words, "guides A–C")


def _precision(value: Any, around: Circumstances) -> Quality:
    source = "guides: bf16 where the card has it, fp16 otherwise"
    if value == "float16":
        return Quality("unsure", "a small range: large values overflow, which bfloat16 avoids", source)
    if not around.technique.adapters:
        return Quality("same", "of the products only: weights are trained in float32", source)
    return Quality("same", "enough range and precision to train in", source)


def _adapter_precision(value: Any, around: Circumstances) -> Quality:
    if value == "bfloat16" and around.technique.adapters:
        words = "most late updates are rounded away: eval loss ended 0.06 to 0.14 higher"
        return Quality("worse", words, "measured, 400 steps")
    return Quality("same", "no update is rounded away", "measured; PEFT's default")


def _score(value: Any, around: Circumstances) -> Quality:
    del around
    if value == "none":
        return Quality("unsure", "only the loss is compared, not the answers", "guides: held-out rows")
    return Quality("same", "answers are compared with the held-out references", "guides: held-out rows")


def _rounding(value: Any, around: Circumstances) -> Quality:
    del value, around
    return Quality("same", "none beyond rounding: the same computation in another order", "arithmetic")


def _without_effect(value: Any, around: Circumstances) -> Quality:
    del value, around
    return Quality("same", _NONE, "arithmetic")


_ABOUT: dict[str, Callable[[Any, Circumstances], Quality | None]] = {
    "method.technique": _technique,
    "method.rank": _rank,
    "method.alpha": _alpha,
    "method.dropout": _dropout,
    "method.target_modules": _targets,
    "data.max_length": _length,
    "data.eval": _held_out,
    "data.loss_on": _loss_on,
    "data.packing": _without_effect,
    "data.padding_free": _rounding,
    "training.epochs": _epochs,
    "training.learning_rate": _learning_rate,
    "training.effective_batch": _batch,
    "training.warmup_ratio": _warmup,
    "training.optimizer": _optimizer,
    "training.schedule": _schedule,
    "training.early_stopping": _early_stopping,
    "training.divergence_patience": _divergence,
    "training.weight_decay": _decay,
    "training.kernels": _rounding,
    "training.compile": _rounding,
    "model.attention": _rounding,
    "model.quantization": _quantization,
    "model.dtype": _precision,
    "method.adapter_dtype": _adapter_precision,
    "evaluation.score": _score,
    "training.micro_batch": _without_effect,
    "training.activation_checkpointing": _without_effect,
    "hardware.gpus": _without_effect,
    "hardware.processes": _without_effect,
}
