"""Prefix tuning: keys and values of virtual tokens for every layer, trained themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.techniques.base import Adapter

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings


class Prefix(Adapter):
    def config(self, model: Any, settings: Settings) -> Any:
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(
            task_type=adapters.task_of(model),
            num_virtual_tokens=int(settings.preset.method.virtual_tokens),
            prefix_projection=False,
        )


APPLIED = Prefix()
