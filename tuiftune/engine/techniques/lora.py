"""LoRA: adapters, their rank, and the precision they are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.techniques.base import Adapter

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings


class Lora(Adapter):
    """Fresh adapters, which leave the model's answers unchanged until they are trained.

    `more`: what PEFT's configuration has beyond LoRA's.
    """

    def __init__(self, **more: Any) -> None:
        self.more = more

    def config(self, model: Any, settings: Settings, **more: Any) -> Any:
        method = settings.preset.method
        return adapters.config(
            model,
            method.target_modules,
            method.modules_to_save,
            r=int(method.rank),
            lora_alpha=int(method.alpha),
            lora_dropout=method.dropout,
            **self.more,
            **more,
        )


APPLIED = Lora()
