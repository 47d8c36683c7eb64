"""QLoRA: LoRA; its base is quantized where that is loaded."""

from __future__ import annotations

from tuiftune.engine.techniques.lora import Lora

APPLIED = Lora()
