"""rsLoRA: LoRA scaled by alpha/√rank, so that larger ranks go on learning (Kalajdzievski, 2023)."""

from __future__ import annotations

from dataclasses import replace

from tuiftune.options import Quality
from tuiftune.techniques.base import Fact
from tuiftune.techniques.lora import LORA

SOURCE = "Kalajdzievski, 2023 (arXiv:2312.03732)"

RSLORA = replace(
    LORA,
    key="rslora",
    name="rsLoRA",
    order=50,
    does="LoRA scaled by alpha/√rank, for high ranks",
    quality=Quality("same", "as LoRA at rank 16; ranks of 64 and more learn more than LoRA's do", SOURCE),
    automatic=False,
    compared=False,  # LoRA's memory and speed
    alpha=Fact(8, "alpha/√rank is then 2 at rank 16, LoRA's own scale there", f"tuiftune default; {SOURCE}"),
    alpha_fixed=True,
)
