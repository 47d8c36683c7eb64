"""DoRA: LoRA whose weights' magnitudes are trained apart from their directions."""

from __future__ import annotations

from dataclasses import replace

from tuiftune.techniques.lora import LORA

DORA = replace(
    LORA,
    key="dora",
    name="DoRA",
    order=40,
    does="LoRA with trained magnitudes",
    automatic=False,
)
