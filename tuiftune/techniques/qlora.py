"""QLoRA: LoRA over a base model quantized to NF4 (Dettmers et al., 2023)."""

from __future__ import annotations

from dataclasses import replace

from tuiftune.options import Quality
from tuiftune.techniques.base import NF4
from tuiftune.techniques.lora import LORA

QLORA = replace(
    LORA.over(NF4),
    key="qlora",
    name="QLoRA",
    order=30,
    does="LoRA over a 4-bit base model",
    quality=Quality("worse", "slightly below LoRA: take it where LoRA does not fit", "guides A–C"),
    compared=True,
    unquantized=LORA.key,
    fits="only over 4-bit weights",
)
