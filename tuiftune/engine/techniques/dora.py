"""DoRA: LoRA with trained magnitudes."""

from __future__ import annotations

from tuiftune.engine.techniques.lora import Lora

APPLIED = Lora(use_dora=True)
