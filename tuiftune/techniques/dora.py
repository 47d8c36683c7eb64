"""DoRA: LoRA whose weights' magnitudes are trained apart from their directions (Liu et al., 2024)."""

from __future__ import annotations

from dataclasses import replace

from tuiftune.options import Quality
from tuiftune.sources import DORA as DORA_PAPER
from tuiftune.sources import PEFT_COMPARISON, VARIANTS, together
from tuiftune.techniques.base import Allocator
from tuiftune.techniques.lora import LORA

DORA = replace(
    LORA,
    key="dora",
    name="DoRA",
    order=40,
    does="LoRA with trained magnitudes",
    quality=Quality(
        "same",
        "above LoRA in its paper; equal within noise in later comparisons, and slower",
        together(DORA_PAPER, VARIANTS, PEFT_COMPARISON),
    ),
    forms="dora",
    allocator=Allocator(kept=(0.04, 0.075), recomputed=(0.08, 0.125)),
    automatic=False,
    nf4=None,
    fp8=None,
    compiles=False,
    shares=False,
    experts=False,
    magnitudes=True,
    traffic=1.43,
    weight_traffic=444.0,  # the norm of W + BA through an identity matrix
)
