"""Actions of the home screen on its runs: compare or chart several, delete one."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.message import Message

from tuiftune.figures import size
from tuiftune.tui.home.run_list import RunList
from tuiftune.tui.kit.chart.curves import MOST_RUNS
from tuiftune.tui.kit.screens import FullScreen

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir


class ComparesMarked:
    """Mixin for a screen with a `RunList`. If one run is selected, the one under the cursor is added."""

    def action_mark(self) -> None:
        self._list_of_runs().mark()

    def action_compare(self) -> None:
        assert isinstance(self, FullScreen)
        runs = self._list_of_runs().together
        if len(runs) < 2:
            self.notify("Select two or more runs with Space, then compare them.", timeout=4)
        elif self._few(len(runs)):
            self.app.open("compare", runs)

    def action_charts(self) -> None:
        assert isinstance(self, FullScreen)
        runs = self._list_of_runs().together
        if runs and self._few(len(runs)):
            self.app.open("charts", runs=runs)

    def _few(self, runs: int) -> bool:
        assert isinstance(self, FullScreen)
        if runs > MOST_RUNS:
            self.notify(f"{runs} runs are selected; a chart shows at most {MOST_RUNS}.", severity="warning")
        return runs <= MOST_RUNS

    def _list_of_runs(self) -> RunList:
        assert isinstance(self, FullScreen)
        return self.query_one(RunList)


@dataclass
class Sized(Message):
    """The bytes that deleting a run would free."""

    run: RunDir
    size: int


class DeletesRuns:
    """Mixin for a screen that lists runs: `ask_to_delete` measures, asks and deletes."""

    def deleted(self, words: str, *, failed: bool = False) -> None:
        """Report the outcome."""
        raise NotImplementedError

    def ask_to_delete(self, run: RunDir) -> None:
        assert isinstance(self, FullScreen)
        self.in_thread("measure", self._measure, run)

    def _measure(self, run: RunDir) -> None:
        assert isinstance(self, FullScreen)
        total = 0
        for directory, _, names in os.walk(run.path):
            for name in names:
                with suppress(OSError):
                    total += os.lstat(os.path.join(directory, name)).st_size
        self.post_message(Sized(run, total))

    def on_sized(self, message: Sized) -> None:
        from tuiftune.tui.kit.dialogs import Confirm

        assert isinstance(self, FullScreen)
        run = message.run
        detail = f"{run.path}\nThis deletes its checkpoints and its result, and frees {size(message.size)}."
        self.app.push_screen(
            Confirm(f"Delete {run.name}?", detail, "Delete", "Keep", harmful=True),
            partial(self._delete, run),
        )

    def _delete(self, run: RunDir, confirmed: bool | None) -> None:
        if not confirmed:
            return
        import shutil

        try:
            shutil.rmtree(run.path)
        except OSError as error:
            self.deleted(f"{run.path}: cannot be deleted ({error.strerror})", failed=True)
        else:
            self.deleted(f"Deleted {run.name}")
