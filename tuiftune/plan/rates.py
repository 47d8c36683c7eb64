"""The usual learning rate: from the model's family and hidden size, the batch, the steps and the technique.

Measured with LoRA at batch size 128 (Tinker cookbook): 5e-5 × 10 × (2000 / hidden size)^p, with p fitted to
Llama and Qwen models only. It grows with the square root of the batch size. Where a later sweep of 35 models
disagrees (Llamas of 1 to 3 billion parameters), the sweep is taken and the reason shows both. Below about 100
steps adapters take 1.5 times as much; full fine-tuning takes a tenth (LoRA Without Regret).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune import sources

if TYPE_CHECKING:
    from tuiftune.models.reference import BaseModel
    from tuiftune.stages.base import Stage
    from tuiftune.techniques.base import Rates, Technique

TINY = 50_000_000  # parameters; smaller models train with rates of their own
LARGE = 20_000_000_000  # parameters
FULL = 5e-5  # full fine-tuning's rate at hidden size 2000 and batch 128
ADAPTERS = 10.0  # times full fine-tuning's rate
FULL_SHARE = 1 / ADAPTERS
BATCH = 128  # rows per step that the formula and the sweep hold for
HIDDEN = 2000
EXPONENTS = {"Llama": 0.781, "Qwen": 0.0775}  # of 2000 / hidden size, by family
SWEPT_LLAMAS = (0.9e9, 3.5e9)  # parameters of the Llamas whose best rate the sweep found at …
SWEPT_LLAMA_RATE = 1e-3  # … this, at batch 128
SWEPT_FROM = 4e9  # parameters from which 3e-4 was within 1.1% of the best eval loss of every model but one
SWEPT_RATE = 3e-4
NEAR_BEST = "within 1.1% of the best eval loss for every model but one of 4B parameters and more in a sweep"
SWEPT_GPT_OSS = 1e-4  # and that one's
FEW_STEPS, FEW = 100, 1.5  # steps below which adapters take so many times the rate
CALIBRATED, UNCALIBRATED = 1.5, 3.0  # how far from the value the best rate may lie, as a factor
FAR = 3.0  # times beyond the band: a rate that is warned of


@dataclass(frozen=True, slots=True)
class UsualRate:
    """A peak learning rate, and the band in which the best one is expected."""

    value: float
    low: float
    high: float
    why: str
    source: str

    def beyond(self, rate: float) -> float:
        """How many times a rate is outside the band: above 1 too high, below 1 too low, 1 inside it."""
        return rate / self.high if rate > self.high else min(1.0, rate / self.low)

    def far(self, rate: float) -> bool:
        """Return True if a rate is more than three times outside the band."""
        return not 1 / FAR <= self.beyond(rate) <= FAR


def usual(
    stage: Stage,
    technique: Technique,
    model: BaseModel | None = None,
    *,
    batch: int = 16,
    steps: int | None = None,
) -> UsualRate:
    """Return the usual peak learning rate of a stage and a technique for a model.

    Args:
        model: None if unknown: the technique's own rate is returned.
        batch: rows per optimizer step.
        steps: optimizer steps of the run; None if unknown.
    """
    over = technique.rates.over_lora
    if stage.adapter_rate is not None:
        own, part = stage.adapter_rate, 1.0 if over is None else over.value
        if model is not None and model.parameters <= TINY:
            part *= technique.rates.tiny.value / technique.rates.usual.value
        low, high = own.within
        why = f"{over.why}: {own.why}" if over is not None and part != 1 else own.why
        value = float(f"{own.value * part:.3g}")
        return UsualRate(value, low * part, high * part, why, own.source)
    if over is None or model is None or model.parameters <= TINY:
        return by_size(stage, technique, None if model is None else model.parameters)
    found = _with_adapters(model, batch, steps if technique.adapters else None)
    if over.value != 1:
        why, source = f"{over.why}: {found.why}", sources.together(over.source, found.source)
        found = replace(_times(found, over.value), why=why, source=source)
    return _at_stage(_beside(found, technique.rates), stage)


def by_size(stage: Stage, technique: Technique, parameters: int | None) -> UsualRate:
    """Return a technique's own rate, where only the number of parameters is known, or not even that."""
    rates = technique.rates
    low, high = rates.within
    fact = rates.usual
    if parameters is not None and parameters <= TINY:
        fact = rates.tiny
        low, high = fact.value / UNCALIBRATED, fact.value * UNCALIBRATED
    elif parameters is not None and parameters >= LARGE and rates.large is not None:
        fact = rates.large
    return _at_stage(UsualRate(fact.value, low, high, fact.why, fact.source), stage)


def _with_adapters(model: BaseModel, batch: int, steps: int | None) -> UsualRate:
    """LoRA's rate for supervised fine-tuning."""
    hidden, kind = model.architecture.hidden_size, model.architecture.family
    family = next((name for name in EXPONENTS if _is_of(kind, name)), None)
    formula = min(_formula(name, hidden) for name in EXPONENTS if family in (None, name))
    at_batch, low, high, spread = formula, formula, formula, CALIBRATED if family else UNCALIBRATED
    scale, source = math.sqrt(batch / BATCH), sources.TINKER.short
    least, most = SWEPT_LLAMAS
    if family == "Llama" and least <= model.parameters <= most:
        at_batch = high = SWEPT_LLAMA_RATE
        why = f"best for Llama models of 1B to 3B in a sweep; the formula gives {written(formula * scale)}"
        source = sources.together(sources.SWEEP, sources.TINKER)
    elif family:
        why = f"fitted to {family} models, here of hidden size {hidden:,}"
    elif kind == "gpt_oss":
        at_batch = low = high = SWEPT_GPT_OSS
        why, source = "best for gpt-oss in a sweep", sources.SWEEP.short
    elif model.parameters >= SWEPT_FROM:
        at_batch = low = high = SWEPT_RATE
        why, source = NEAR_BEST, sources.SWEEP.short
    else:
        why = "the lower of what Llama and Qwen models of this size take"
    if not family:
        why += f". Not calibrated for {kind}: the best may be up to {UNCALIBRATED:g}× higher or lower"
    few = FEW if steps is not None and steps < FEW_STEPS else 1.0
    made = f"{written(at_batch)} at batch {BATCH} × √({batch}/{BATCH})"
    if few > 1:
        made += f" × {FEW:g} below {FEW_STEPS} steps"
        source = sources.together(source, sources.NO_REGRET)
    value = _two_digits(at_batch * scale * few, down=few > 1)
    return UsualRate(value, low * scale / spread, high * scale * spread * few, f"{made}: {why}", source)


def _formula(family: str, hidden: int) -> float:
    return float(FULL * ADAPTERS * (HIDDEN / hidden) ** EXPONENTS[family])


def _is_of(kind: str, family: str) -> bool:
    """Whether a `model_type` is of a calibrated family: Llama's own, and every generation of Qwen."""
    return kind == "llama" if family == "Llama" else kind.startswith(family.lower())


def _beside(found: UsualRate, rates: Rates) -> UsualRate:
    """The rate, with what practitioners' guides take next to it where that is another one."""
    low, high = rates.within
    if low <= found.value <= high or not sources.named(rates.source):
        return found
    why = f"{found.why}. {rates.source} say {written(low)} to {written(high)}"
    return replace(found, why=why, source=sources.together(found.source, rates.source))


def _at_stage(found: UsualRate, stage: Stage) -> UsualRate:
    if stage.rate == 1:
        return found
    why, source = f"{stage.why_rate}: {found.why}", sources.together(sources.DEFAULT, found.source)
    return replace(_times(found, stage.rate), why=why, source=source)


def _times(found: UsualRate, factor: float) -> UsualRate:
    value = float(f"{found.value * factor:.3g}")
    return replace(found, value=value, low=found.low * factor, high=found.high * factor)


def _two_digits(rate: float, *, down: bool) -> float:
    """A rate in two digits, such as 1.7e-4; `down`: never above it."""
    if not down:
        return float(f"{rate:.1e}")
    unit = 10.0 ** (math.floor(math.log10(rate)) - 1)
    return float(f"{math.floor(rate / unit) * unit:.1e}")


def written(rate: float) -> str:
    """A rate as people write it: 1.7e-4."""
    mantissa, _, exponent = f"{rate:.1e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"
