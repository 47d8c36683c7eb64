"""Everything that one run is about, looked up once: what the steps of a run hand to one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import Tokeniser
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.stages.base import EngineStage
    from tuiftune.engine.training.checkpoints import Store
    from tuiftune.engine.training.resume import Resume
    from tuiftune.engine.training.rows import Examples, Prepared
    from tuiftune.engine.training.settings import Settings
    from tuiftune.runs.store.directory import RunDir


@dataclass(frozen=True, slots=True)
class RunContext:
    """A run as one of its processes sees it, with its rows tokenised and the device chosen.

    `start` is where it goes on from; `force`: although the settings were changed.
    """

    run: RunDir
    wanted: Settings
    base: Base
    stage: EngineStage
    report: Report
    stopping: Stopping
    group: Group
    store: Store
    start: Resume
    force: bool
    device: str
    tokeniser: Tokeniser
    examples: Examples
    training: Prepared
    held_out: Prepared | None

    @property
    def rows_held_out(self) -> int:
        """Held-out rows that the eval loss is measured on."""
        return self.held_out.rows if self.held_out else 0
