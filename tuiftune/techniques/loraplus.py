"""LoRA+: LoRA whose B matrices train at a multiple of the A matrices' learning rate (Hayou et al., 2024)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from tuiftune.options import Option, Quality
from tuiftune.sources import LORAPLUS as LORAPLUS_PAPER
from tuiftune.sources import VARIANTS, together
from tuiftune.techniques.base import Fact, Rates
from tuiftune.techniques.lora import LORA, OVER_FP8, OVER_NF4

SOURCE = LORAPLUS_PAPER.short
HALF = "half of LoRA's rate; the B matrices take a multiple of it"


def ratio_quality(value: Any) -> Quality:
    if value == 1:
        return Quality("same", "equal learning rates for A and B: plain LoRA", SOURCE)
    if value <= 16:
        return Quality("same", "a higher learning rate for B, up to the ratio of its paper", f"{SOURCE}: 16")
    return Quality("unsure", "B's learning rate is far above LoRA's: watch for loss spikes", f"{SOURCE}: 16")


RATES = Rates(
    within=(5e-5, 1e-4),
    source=SOURCE,
    tiny=Fact(1e-3, HALF, SOURCE),
    usual=Fact(1e-4, HALF, SOURCE),
    large=Fact(5e-5, HALF, SOURCE),
    over_lora=Fact(0.5, HALF, SOURCE),
)

LORAPLUS = replace(
    LORA,
    key="loraplus",
    name="LoRA+",
    order=60,
    does="LoRA with a higher learning rate for its B matrices",
    quality=Quality(
        "same",
        "1–2% above LoRA in its paper; as good as LoRA once each has its own learning rate",
        together(LORAPLUS_PAPER, VARIANTS),
    ),
    rates=RATES,
    options=(
        *LORA.options,
        Option(
            "loraplus_lr_ratio",
            Annotated[float, Field(ge=1, le=1000)],
            16.0,
            "learning rate of the B matrices, as a multiple of training.learning_rate",
            label="LoRA+ ratio",
            choices=(1.0, 4.0, 8.0, 16.0, 32.0),
            after="training.learning_rate",
            quality=ratio_quality,
        ),
    ),
    automatic=False,
    compared=False,  # LoRA's memory and speed
    nf4=replace(OVER_NF4, rates=RATES),
    fp8=replace(OVER_FP8, rates=RATES),
)
