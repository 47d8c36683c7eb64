"""A mixin for screens of a run: exporting its metrics to a file."""

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
    """The outcome."""

    words: str
    failed: bool = False


class WritesMetrics:
    """Mixin for a screen with a `run`: `metrics` asks for a file and writes it off the event loop."""

    run: RunDir

    def action_metrics(self) -> None:
        from tuiftune.runs.reports.metrics_table import SUFFIXES
        from tuiftune.tui.kit.dialogs import Ask

        assert isinstance(self, FullScreen)
        hint = f"All metrics as a table. The suffix sets the format: {', '.join(SUFFIXES)}"
        self.app.push_screen(Ask("Export metrics to", f"{self.run.name}-metrics.csv", hint), self._named)

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
            self.notify(message.words, title="Metrics exported", markup=False, timeout=8)
