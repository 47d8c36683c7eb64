"""What a value does to quality, in words: published evidence, or what the rows themselves say.

Nothing here is a prediction: no formula knows the score of a run before it was measured on evaluation rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import sources, techniques
from tuiftune.options import Quality
from tuiftune.plan.hyperparameters import LABEL_RANK, MANY_ROWS, MORE_ROWS, RANK
from tuiftune.plan.passes import BATCH_MOST, has_traces
from tuiftune.plan.rates import TINY, written
from tuiftune.preset import method
from tuiftune.techniques.base import FP8, NF4, NONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.data.facts import DataFacts
    from tuiftune.plan.rates import UsualRate
    from tuiftune.techniques.base import Technique


MEASURED = "measured on an H200, 400 steps, four settings"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the effect of a value depends on. `facts` and `usual` are None before data and plan are known."""

    technique: Technique
    parameters: int
    facts: DataFacts | None = None
    usual: UsualRate | None = None  # the plan's learning rate, with its band


def quality(key: str, value: Any, around: Circumstances) -> Quality | None:
    """What the value of a dotted preset key does to the result; None where nothing is known of it."""
    if value is None or value == "auto":
        return None
    if key in _ABOUT:
        return _ABOUT[key](value, around)
    option = method.options().get(key.removeprefix("method."))
    return None if option is None or option.quality is None else option.quality(value)


_NONE = "none: the results are the same, only memory and speed change"


def _technique(value: Any, around: Circumstances) -> Quality | None:
    del around
    known = techniques.every().get(str(value))
    return None if known is None else known.quality


def _rank(value: Any, around: Circumstances) -> Quality:
    if not around.technique.adapters:
        return Quality("same", "none: full fine-tuning does not have adapters", "technique")
    rows = 0 if around.facts is None else around.facts.rows
    if value < LABEL_RANK:
        return Quality("worse", "few parameters: enough for short labels alone", sources.NO_REGRET.short)
    wanted = 128 if rows >= MANY_ROWS else 32 if rows >= MORE_ROWS else LABEL_RANK
    if value < wanted:
        says = f"{rows:,} rows may hold more than adapters of this rank: {wanted} or more is recommended"
        return Quality("worse", says, sources.NO_REGRET.short)
    if value > RANK:
        says = (
            "eval loss within about 0.1% of the best at rank 64, for more memory. Practitioners' guides warn "
            "that "
            "high ranks memorize; the sweep does not show it"
        )
        return Quality("same", says, sources.together(sources.SWEEP, sources.PRACTITIONERS))
    if value == RANK:
        return Quality(
            "same", "eval loss within 0.1–0.8% of the best at 4B to 32B parameters", sources.SWEEP.short
        )
    return Quality("same", "enough for fixed labels and a few thousand rows", sources.NO_REGRET.short)


def _alpha(value: Any, around: Circumstances) -> Quality:
    del value, around
    says = "scales the adapter's effect; 2 × rank is the usual value"
    return Quality("same", says, sources.together(sources.DEFAULT, sources.RANK_SCALING))


def _dropout(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        says = "no dropout: the default of Unsloth and LLaMA-Factory, and what fused kernels need"
        return Quality("same", says, sources.DEFAULT)
    source = sources.together(sources.DROPOUT, sources.PRACTITIONERS)
    if value <= 0.1:
        says = "0.05 is the default of TRL and Axolotl; it may reduce overfitting on few rows, and is slower"
        return Quality("same", says, source)
    return Quality("worse", "far above the usual 0 to 0.1: the adapters learn less", source)


def _targets(value: Any, around: Circumstances) -> Quality:
    del around
    source = sources.together(sources.QLORA, sources.NO_REGRET)
    if value == "all-linear":
        return Quality("same", "adapters on every linear layer work best", source)
    return Quality("worse", "fewer layers have adapters: worse than all-linear at equal parameters", source)


def _epochs(value: Any, around: Circumstances) -> Quality:
    facts = around.facts
    source = sources.DEFAULT
    if value > 3 and facts is not None and has_traces(facts):
        says = (
            "reasoning traces gain from many epochs: compare checkpoints by their scores, not their eval loss"
        )
        return Quality("same", says, sources.REPETITION.short)
    if value > 3:
        says = (
            "above 3 the model may memorize the rows: watch for a rising eval loss. Only reasoning traces "
            "were "
            "seen to gain from more"
        )
        return Quality("worse", says, sources.together(sources.PRACTITIONERS, sources.REPETITION))
    if value < 1:
        return Quality("worse", "some rows are never used", source)
    return Quality("same", "1 to 3 is usual; the checkpoint with the lowest eval loss is kept", source)


def _learning_rate(value: Any, around: Circumstances) -> Quality:
    if around.parameters <= TINY:
        says = "published rates are for models a hundred times this size: judge by the loss"
        return Quality("unsure", says, sources.DEFAULT)
    usual = around.usual
    if usual is None:
        low, high = around.technique.rates.within
        source = around.technique.rates.source
    else:
        low, high, source = usual.low, usual.high, usual.source
    band = f"{written(low)} to {written(high)}"
    if value > high:
        far = usual is not None and usual.far(value)
        says = f"above {band}, where the best rate is expected: loss spikes" + (
            ", or NaN loss" if far else ""
        )
        return Quality("worse", says, source)
    if value < low:
        return Quality("worse", f"below {band}, where the best rate is expected: little is learned", source)
    return Quality("same", f"within {band}, where the best rate is expected", source)


def _length(value: Any, around: Circumstances) -> Quality | None:
    facts = around.facts
    if facts is None:
        return None
    source = f"your rows ({facts.basis})"
    if value >= facts.longest:
        return Quality("same", f"no row is truncated: the longest has {facts.longest:,} tokens", source)
    below = sum(quantile <= value for quantile in facts.quantiles)
    cut = max(1, 100 - 5 * max(0, below - 1)) if below < len(facts.quantiles) else 1
    words = f"about {cut}% of rows are truncated; the model may learn not to stop"
    return Quality("worse", words, source)


def _batch(value: Any, around: Circumstances) -> Quality:
    source = sources.together(sources.NO_REGRET, sources.BATCH)
    if value > BATCH_MOST and around.technique.adapters:
        return Quality("worse", "adapters lose at large batches, whatever their rank", source)
    if value > BATCH_MOST:
        return Quality("unsure", "fewer, steadier steps: needs many rows", source)
    if value < 16:
        return Quality("same", "more steps, each noisier: suits few rows", source)
    return Quality("same", "steady steps, and enough of them; below 100 steps, use a smaller batch", source)


def _warmup(value: Any, around: Circumstances) -> Quality:
    del around
    source = sources.together(sources.WARMUP, sources.PRACTITIONERS)
    if value == 0:
        return Quality(
            "worse", "the first steps use the full learning rate, which may raise the loss", source
        )
    return Quality(
        "same", "the learning rate rises over the first steps; 0.03 and 0.1 are both usual", source
    )


def _held_out(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        return Quality("unsure", "no evaluation rows: improvement cannot be measured", "arithmetic")
    return Quality("same", "measured on rows that are not trained on", sources.DEFAULT)


def _loss_on(value: Any, around: Circumstances) -> Quality:
    source = sources.together(sources.QLORA, sources.DEFAULT)
    if value == "all" and (around.facts is None or around.facts.format != "text"):
        return Quality("worse", "also trains on the prompts", source)
    return Quality("same", "trains on the answers only", source)


def _optimizer(value: Any, around: Circumstances) -> Quality:
    if "8bit" in str(value):
        leans = "same" if around.technique.quantized else "unsure"
        says = "AdamW with 8-bit states: less memory, and nearly the same loss"
        return Quality(leans, says, sources.EIGHT_BIT.short)
    return Quality("same", "AdamW, the usual optimizer", sources.ADAMW.short)


def _schedule(value: Any, around: Circumstances) -> Quality:
    del around
    if str(value).startswith("constant"):
        return Quality(
            "worse", "the learning rate never falls, so the last steps stay large", sources.COSINE.short
        )
    return Quality("same", "the learning rate falls to 0, so the loss settles", sources.COSINE.short)


def _early_stopping(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        says = "trains past the lowest eval loss; that checkpoint is still the result"
        return Quality("unsure", says, sources.DEFAULT)
    return Quality("same", "stops when the eval loss no longer falls", sources.DEFAULT)


def _best_by(value: Any, around: Circumstances) -> Quality:
    del around
    if value == "loss":
        return Quality("same", "the checkpoint with the lowest eval loss is the result", sources.DEFAULT)
    says = (
        f"the checkpoint with the best {str(value).replace('_', ' ')} is the result; evaluations take longer"
    )
    return Quality("unsure", says, sources.DEFAULT)


def _evaluations(value: Any, around: Circumstances) -> Quality:
    del value, around
    return Quality("same", "how often the best checkpoint is looked for", sources.DEFAULT)


def _divergence(value: Any, around: Circumstances) -> Quality:
    del around
    if value == 0:
        return Quality(
            "unsure", "a run that diverges continues to its last step, for nothing", sources.DEFAULT
        )
    source = sources.together(sources.GRADIENT_ADVICE, sources.PALM)
    return Quality("same", "stops a run whose loss has risen and stays high", source)


def _decay(value: Any, around: Circumstances) -> Quality:
    del around
    if value > 0.01:
        return Quality("unsure", "above the usual 0 to 0.01", sources.ADAMW.short)
    return Quality("same", "little weight decay, or none: usual for fine-tuning", sources.ADAMW.short)


def _quantization(value: Any, around: Circumstances) -> Quality:
    del around
    if value == NONE:
        return Quality("same", "the base model's weights stay in 16 bits", sources.QLORA.short)
    if value == FP8:
        says = "close to 16-bit weights: FP8 rounding costs about a quarter of what 4 bits cost"
        return Quality("same", says, sources.together("measured: benchmarks/fp8", sources.FP8))
    says = "matches 16-bit weights in the QLoRA paper, slightly below in practice: use it if they do not fit"
    return Quality("worse", says, sources.together(sources.QLORA, sources.PRACTITIONERS))


def _fp8_compute(value: Any, around: Circumstances) -> Quality:
    if value is True and around.technique.base == NF4:
        says = "FP8 rounds products by about 4%, the 4 bits of the weights by 9%"
        return Quality("same", says, sources.together("measured: benchmarks/fp8", sources.FP8))
    return Quality("same", _NONE, "arithmetic")


def _precision(value: Any, around: Circumstances) -> Quality:
    if value == "float16":
        says = "a small range: large values overflow, which bfloat16 avoids"
        return Quality("unsure", says, sources.MIXED_PRECISION.short)
    if not around.technique.adapters:
        says = "precision of the products only: weights are trained in float32"
        return Quality("same", says, sources.MIXED_PRECISION.short)
    return Quality("same", "enough range and precision to train in", sources.BFLOAT16.short)


def _adapter_precision(value: Any, around: Circumstances) -> Quality:
    if value == "bfloat16" and around.technique.adapters:
        says = "most late updates are rounded away: eval loss ended 0.06 to 0.14 higher"
        return Quality("worse", says, MEASURED)
    return Quality("same", "no update is rounded away", f"{MEASURED}; PEFT's default")


def _score(value: Any, around: Circumstances) -> Quality:
    del around
    if value == "none":
        return Quality("unsure", "only the loss is compared, not the answers", sources.DEFAULT)
    return Quality("same", "generated answers are compared with reference answers", sources.DEFAULT)


def _rounding(value: Any, around: Circumstances) -> Quality:
    del value, around
    return Quality("same", "none but rounding: the same computation in another order", "arithmetic")


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
    "evaluation.best_by": _best_by,
    "evaluation.every": _evaluations,
    "training.weight_decay": _decay,
    "training.kernels": _rounding,
    "training.compile": _rounding,
    "training.fp8_compute": _fp8_compute,
    "model.attention": _rounding,
    "model.quantization": _quantization,
    "model.dtype": _precision,
    "method.adapter_dtype": _adapter_precision,
    "evaluation.score": _score,
    "training.micro_batch": _without_effect,
    "training.activation_checkpointing": _without_effect,
    "training.activation_offloading": _without_effect,
    "hardware.gpus": _without_effect,
    "hardware.processes": _without_effect,
    "hardware.parallel": _rounding,
}
