"""QLoRA: LoRA over a base model held in 4 bits."""

from __future__ import annotations

from dataclasses import replace

from tuiftune.techniques.lora import LORA

QLORA = replace(
    LORA,
    key="qlora",
    name="QLoRA",
    order=30,
    does="LoRA over a 4-bit base model",
)
