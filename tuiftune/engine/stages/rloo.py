"""REINFORCE leave-one-out: TRL's trainer over prompts, with the rewards of the preset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.stages.rollouts import Rollouts

if TYPE_CHECKING:
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings


class LeaveOneOut(Rollouts):
    """Advantages are rewards over the mean of the other answers to the prompt."""

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.rewarded import LeaveOneOutTrainer

        return LeaveOneOutTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl import RLOOConfig

        return RLOOConfig(**common, **self.shared(settings))


STAGE = LeaveOneOut()
