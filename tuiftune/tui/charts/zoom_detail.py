"""Points for a zoomed chart, read from the run's log again if its state keeps too few of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message
from textual.worker import get_current_worker

from tuiftune.runs.log import stretch
from tuiftune.tui.kit.chart.timeline import Timeline
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.kit.chart.lens import Lens, Range

WAIT_SECONDS = 0.15  # users usually press the zoom key several times


@dataclass
class Reread(Message):
    """Parts of logs that were read, by the paths of their runs; None for those that failed."""

    found: dict[Path, stretch.Stretch | None]


class LoadsZoomDetail:
    """Mixin for a screen of charts, which calls `look_closer` and draws the states of `seen_closely`."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[Path, stretch.Part] = {}
        self._stretches: dict[Path, stretch.Stretch] = {}
        self.reading = False

    def seen_closely(self, run: RunDir, state: RunState) -> RunState:
        """Return the state, with the points that were read again."""
        found = self._stretches.get(run.path)
        return state if found is None else found.within(state)

    def look_closer(self, lens: Lens, whole: Range, runs: list[tuple[RunDir, RunState]]) -> None:
        """Read what the lens shows from the runs' logs, unless the points are already known."""
        assert isinstance(self, FullScreen)
        if lens.window is None:
            self._asked, self._stretches, self.reading = {}, {}, False
            self.workers.cancel_group(self, "closer")
            return
        parts = {}
        for run, state in runs:
            line = Timeline(state)
            first, last = (line.step(lens.axis, place) for place in lens.seen(whole))
            known = self._stretches.get(run.path)
            if not stretch.wanted(state, first, last):
                continue
            if known is not None and known.part.covers(first, last):
                continue
            if (asked := self._asked.get(run.path)) is None or not asked.covers(first, last):
                parts[run.path] = stretch.part(state, first, last)
        if parts:
            self._asked |= parts
            self.reading = True
            logs = {run.path: run.events_path for run, _ in runs}
            self.in_thread(
                "closer",
                self._reread,
                {path: (logs[path], part) for path, part in parts.items()},
                exclusive=True,
            )

    def _reread(self, parts: dict[Path, tuple[Path, stretch.Part]]) -> None:
        assert isinstance(self, FullScreen)
        worker = get_current_worker()
        time.sleep(WAIT_SECONDS)
        found = {
            path: stretch.read(log, part, lambda: not worker.is_cancelled)
            for path, (log, part) in parts.items()
            if not worker.is_cancelled
        }
        if not worker.is_cancelled:
            self.post_message(Reread(found))

    def on_reread(self, message: Reread) -> None:
        self.reading = False
        self._stretches |= {path: found for path, found in message.found.items() if found is not None}
        self.came_closer()

    def came_closer(self) -> None:
        """Handle new points."""
