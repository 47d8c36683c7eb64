"""What home does with runs of its list: look at several together, delete one."""

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
    """Mixed into a screen with a `RunList`. One marked run is joined by the one under the cursor."""

    def action_mark(self) -> None:
        self._list_of_runs().mark()

    def action_compare(self) -> None:
        assert isinstance(self, FullScreen)
        runs = self._list_of_runs().together
        if len(runs) < 2:
            self.notify("Space marks a run; mark two or more, then compare them.", timeout=4)
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
            self.notify(f"{runs} runs are marked; {MOST_RUNS} at most can be told apart.", severity="warning")
        return runs <= MOST_RUNS

    def _list_of_runs(self) -> RunList:
        assert isinstance(self, FullScreen)
        return self.query_one(RunList)


@dataclass
class Sized(Message):
    """What deleting a run would free, in bytes."""

    run: RunDir
    size: int


class DeletesRuns:
    """Mixed into a screen that lists runs: `ask_to_delete` measures, asks and deletes."""

    def deleted(self, words: str, *, failed: bool = False) -> None:
        """How it ended, in words."""
        raise NotImplementedError

    def ask_to_delete(self, run: RunDir) -> None:
        assert isinstance(self, FullScreen)
        self.in_thread("measure", self._measure, run)

    def _measure(self, run: RunDir) -> None:
        assert isinstance(self, FullScreen)
        total = 0
        for folder, _, names in os.walk(run.path):
            for name in names:
                with suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        self.post_message(Sized(run, total))

    def on_sized(self, message: Sized) -> None:
        from tuiftune.tui.kit.dialogs import Confirm

        assert isinstance(self, FullScreen)
        run = message.run
        detail = f"{run.path}\nits checkpoints and its result will be gone; {size(message.size)} become free."
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
            self.deleted(f"{run.name} is deleted")
