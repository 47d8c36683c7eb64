"""Group relative policy optimization: TRL's trainer over prompts, with the rewards of the preset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.stages.rollouts import Rollouts

if TYPE_CHECKING:
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings


class Groups(Rollouts):
    """Advantages are rewards over the mean of their group, in its standard deviations."""

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.rewarded import GroupTrainer

        return GroupTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl import GRPOConfig

        return GRPOConfig(**common, **self.shared(settings))


STAGE = Groups()
