"""What screens of a run share: writing its metrics to a file, and saying where that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir


@dataclass
class Written(Message):
    """How it ended."""

    words: str
    failed: bool = False


class WritesMetrics:
    """Mixed into a screen with a `run`: `metrics` asks for a file and writes it off the event loop."""

    run: RunDir

    def action_metrics(self) -> None:
        from tuiftune.runs.reports.metrics_table import SUFFIXES
        from tuiftune.tui.kit.dialogs import Ask

        assert isinstance(self, FullScreen)
        hint = f"Every metric as a table. The suffix gives the format: {', '.join(SUFFIXES)}"
        self.app.push_screen(Ask("Write the metrics to", f"{self.run.name}-metrics.csv", hint), self._named)

    def _named(self, name: str | None) -> None:
        assert isinstance(self, FullScreen)
        if name:
            self.in_thread("metrics", self._write, name, exclusive=True)

    def _write(self, name: str) -> None:
        from tuiftune.runs.reports.metrics_table import export

        assert isinstance(self, FullScreen)
        try:
            path = paths.given(name)
            rows = export(self.run, path)
        except UserError as error:
            self.post_message(Written(str(error), failed=True))
        else:
            self.post_message(Written(f"{paths.followed(path)} ({rows:,} rows)"))

    def on_written(self, message: Written) -> None:
        assert isinstance(self, FullScreen)
        if message.failed:
            self.notify(message.words, severity="error", markup=False, timeout=8)
        else:
            self.notify(message.words, title="Metrics written", markup=False, timeout=8)
