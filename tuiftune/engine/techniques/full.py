"""Full fine-tuning: every weight that text passes is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.model import base as bases
from tuiftune.engine.techniques.base import Applied

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.training.settings import Settings


class Full(Applied):
    def prepare(self, model: Any, settings: Settings, run: Path) -> Any:
        del settings, run
        adapters.freeze_towers(model)
        bases.hold_padding_row(model)
        return model


APPLIED = Full()
