"""On-policy distillation: TRL's trainer over prompts, with a teacher next to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.stages.rollouts import Rollouts

if TYPE_CHECKING:
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings

BETAS = {"forward_kl": 0.0, "jensen_shannon": 0.5, "reverse_kl": 1.0}  # as TRL interpolates


class Taught(Rollouts):
    """The divergence between both models' next tokens, over the whole vocabulary, is the loss."""

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.distilled import TaughtTrainer

        return TaughtTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl import DistillationConfig

        method = settings.preset.method
        return DistillationConfig(
            **common,
            beta=BETAS[method.divergence],
            max_completion_length=method.max_completion_length,
            temperature=method.temperature,
            disable_dropout=not (settings.adapted and method.dropout),
        )


STAGE = Taught()
