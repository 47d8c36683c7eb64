"""The progress of downloads on standard error: a bar on a terminal, else a line every 30 seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuiftune.hub.progress import Progress

EVERY = 30.0  # seconds between two lines where there is no terminal


class Shown:
    """What of the current download is on the screen."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._said: float | None = None

    def __call__(self, progress: Progress) -> None:
        """Show how far a download is; at its end leave one line that says so."""
        from tuiftune.cli.terminal import err, quiet, say
        from tuiftune.figures import size

        if quiet():
            return
        if progress.announced:
            say(progress.announced)
        elif progress.over:
            self._end()
            say(f"{progress.what}: {size(progress.total)} downloaded and verified")
        elif err().is_terminal:
            self._draw(progress)
        elif self._said is None or time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            say(f"{progress.what}: {progress}")

    def _draw(self, progress: Progress) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        from tuiftune.cli.terminal import err
        from tuiftune.printable import printable

        if self._bar is None:
            words = TextColumn("{task.fields[words]}", markup=False)
            self._bar = Bar(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                words,
                console=err(),
                refresh_per_second=4,
                transient=True,
                expand=True,
            )
            name = printable(progress.what.rpartition("/")[2])[:30]
            self._task = self._bar.add_task(name, total=progress.total, words="")
            self._bar.start()
        self._bar.update(self._task, completed=progress.done, total=progress.total, words=str(progress))

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._said = None


shown = Shown()


def close() -> None:
    """Take the bar off the screen, before an error is said."""
    shown._end()
