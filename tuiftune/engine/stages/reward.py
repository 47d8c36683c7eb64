"""Reward models: TRL's trainer over pairs, of a model whose head answers with one number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.stages.pairs import Compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.contender import Question


class Rewards(Compared):
    """A pair's loss is that of a logistic choice between its sides (Bradley and Terry, 1952)."""

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.scoring import ScoringTrainer

        return ScoringTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl import RewardConfig

        method = settings.preset.method
        return RewardConfig(
            **common,
            max_length=None,  # rows are truncated already
            disable_dropout=not (settings.adapted and method.dropout),
        )

    def questions(self, examples: Sequence[Example], tokenizer: RowTokenizer, rows: int) -> list[Question]:
        """None: the model writes no answers."""
        return []

    def room(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> tuple[int, int]:
        return 1, 0


STAGE = Rewards()
