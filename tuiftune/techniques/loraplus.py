"""LoRA+: LoRA whose B matrices learn at a multiple of the A matrices' rate (Hayou et al., 2024)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from tuiftune.options import Option, Quality
from tuiftune.techniques.base import Fact, Rates
from tuiftune.techniques.lora import LORA, OVER_FP8, OVER_NF4

SOURCE = "Hayou et al., 2024 (arXiv:2402.12354)"
HALF = "half of LoRA's rate, which that of B is a multiple of"


def ratio_quality(value: Any) -> Quality:
    if value == 1:
        return Quality("same", "A and B learn at one rate: LoRA", SOURCE)
    if value <= 16:
        return Quality("same", "B learns faster than A, up to the ratio of its paper", f"{SOURCE}: 16")
    return Quality("unsure", "B's rate is far above LoRA's: watch for spikes", f"{SOURCE}: 16")


RATES = Rates(
    within=(5e-5, 1e-4),
    source=f"half of LoRA's, PEFT's documentation of {SOURCE}",
    tiny=Fact(1e-3, HALF, SOURCE),
    usual=Fact(1e-4, HALF, SOURCE),
    large=Fact(5e-5, HALF, SOURCE),
    wide=Fact(5e-5, HALF, SOURCE),
)

LORAPLUS = replace(
    LORA,
    key="loraplus",
    name="LoRA+",
    order=60,
    does="LoRA with a higher learning rate for its B matrices",
    quality=Quality(
        "same",
        "in its paper 1–2% above LoRA, and up to twice as fast to learn",
        SOURCE,
    ),
    rates=RATES,
    options=(
        *LORA.options,
        Option(
            "loraplus_lr_ratio",
            Annotated[float, Field(ge=1, le=1000)],
            16.0,
            "learning rate of the B matrices, as a multiple of training.learning_rate",
            label="B rate ratio",
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
