"""rsLoRA: LoRA scaled by alpha/√rank, so that larger ranks go on learning (Kalajdzievski, 2023)."""

from __future__ import annotations

from dataclasses import replace

from tuiftune.options import Quality
from tuiftune.sources import DEFAULT, PEFT_COMPARISON, together
from tuiftune.sources import RSLORA as RSLORA_PAPER
from tuiftune.techniques.base import Fact
from tuiftune.techniques.lora import LORA

SOURCE = RSLORA_PAPER.short

RSLORA = replace(
    LORA,
    key="rslora",
    name="rsLoRA",
    order=50,
    does="LoRA scaled by alpha/√rank, for high ranks",
    quality=Quality(
        "same",
        "equal to LoRA at rank 16; at ranks of 64 and more it learns more than LoRA",
        together(RSLORA_PAPER, PEFT_COMPARISON),
    ),
    automatic=False,
    compared=False,  # LoRA's memory and speed
    alpha=Fact(8, "alpha/√rank is 2 at rank 16, as in LoRA", together(DEFAULT, RSLORA_PAPER)),
    alpha_fixed=True,
)
