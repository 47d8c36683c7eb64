"""Direct preference optimization: TRL's trainer over pairs, with the base model as its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.stages.pairs import Compared

if TYPE_CHECKING:
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings


class Preferences(Compared):
    """With adapters the reference is the model with these off; else its log-probabilities come first."""

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.preference import PreferenceTrainer

        return PreferenceTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl import DPOConfig

        method = settings.preset.method
        return DPOConfig(
            **common,
            beta=float(method.beta),
            loss_type=[method.loss_type],
            max_length=None,  # rows are truncated already
            precompute_ref_log_probs=not settings.adapted,
            disable_dropout=not (settings.adapted and method.dropout),
        )


STAGE = Preferences()
