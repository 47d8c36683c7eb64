"""Prompt tuning: embeddings of virtual tokens, which begin as those of tokens chosen at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.techniques.base import Adapter

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings


class Prompt(Adapter):
    def config(self, model: Any, settings: Settings) -> Any:
        from peft import PromptTuningConfig, PromptTuningInit

        return PromptTuningConfig(
            task_type=adapters.task_of(model),
            num_virtual_tokens=int(settings.preset.method.virtual_tokens),
            prompt_tuning_init=PromptTuningInit.SAMPLE_VOCAB,
        )


APPLIED = Prompt()
