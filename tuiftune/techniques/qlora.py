"""QLoRA: LoRA over a base model quantized to NF4 (Dettmers et al., 2023)."""

from __future__ import annotations

from dataclasses import replace

from tuiftune.options import Quality
from tuiftune.sources import PRACTITIONERS, together
from tuiftune.sources import QLORA as QLORA_PAPER
from tuiftune.techniques.base import NF4
from tuiftune.techniques.lora import LORA

QLORA = replace(
    LORA.over(NF4),
    key="qlora",
    name="QLoRA",
    order=30,
    does="LoRA on a quantized (4-bit) base model",
    quality=Quality(
        "worse",
        "matches LoRA in its paper, slightly below in practice: use it if LoRA does not fit",
        together(QLORA_PAPER, PRACTITIONERS),
    ),
    compared=True,
    unquantized=LORA.key,
    fits="only with adapters on 4-bit weights",
)
