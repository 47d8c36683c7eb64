"""Odds ratio preference optimization: TRL's experimental trainer over pairs, without a reference model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.stages.pairs import Compared

if TYPE_CHECKING:
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings


class OddsRatio(Compared):
    """The mean log-probabilities of both answers decide."""

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.reference_free import OddsRatioTrainer

        return OddsRatioTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl.experimental.orpo import ORPOConfig

        method = settings.preset.method
        return ORPOConfig(
            **common,
            beta=float(method.beta),
            max_length=settings.preset.data.max_length,  # rows are truncated already
            disable_dropout=not (settings.adapted and method.dropout),
            remove_unused_columns=False,  # the collator takes what it needs
        )


STAGE = OddsRatio()
