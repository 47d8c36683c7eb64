"""rsLoRA: LoRA with PEFT's rank-stabilized scale."""

from __future__ import annotations

from tuiftune.engine.techniques.lora import Lora

APPLIED = Lora(use_rslora=True)
