"""Simple preference optimization: TRL's experimental trainer over pairs, without a reference model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.stages.pairs import Compared

if TYPE_CHECKING:
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings


class MeanLikelihood(Compared):
    """The mean log-probabilities of both answers decide."""

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.reference_free import SimpleTrainer

        return SimpleTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl.experimental.cpo import CPOConfig

        method = settings.preset.method
        return CPOConfig(
            **common,
            loss_type="simpo",
            cpo_alpha=0.0,  # no loss on the chosen answers next to it: SimPO as published
            beta=float(method.beta),
            simpo_gamma=float(method.gamma_ratio * method.beta),
            max_length=settings.preset.data.max_length,  # rows are truncated already
            disable_dropout=not (settings.adapted and method.dropout),
            remove_unused_columns=False,  # the collator takes what it needs
        )


STAGE = MeanLikelihood()
