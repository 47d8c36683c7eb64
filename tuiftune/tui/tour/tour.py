"""A walk through the app's own screens over a recorded run and the built-in data, with words at each."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.app import TuneApp


@dataclass(frozen=True, slots=True)
class Stop:
    """`screen` is the step's key, `home`, `dashboard` or `result`."""

    screen: str
    title: str
    says: str


STOPS: tuple[Stop, ...] = (
    Stop(
        "home",
        "Home",
        "Every training on this machine is listed here, whoever started it and wherever. They go on without "
        "this app: close it, lose the line, come back.",
    ),
    Stop(
        "machine",
        "Machine",
        "A new run takes five steps, named on the top line. The first asks nothing: it shows what is here, "
        "and what that can train.",
    ),
    Stop(
        "goal",
        "Goal",
        "Is tuning needed at all? Each answer moves the three bars by a weight you can see. If a prompt or "
        "retrieval does it, begin there: t offers both.",
    ),
    Stop(
        "data",
        "Data",
        "The layout is recognised, and what quietly ruins a run is looked for: cut answers, doubles, "
        "leakage, secrets. ^y shows the very tokens that are learnt.",
    ),
    Stop(
        "model",
        "Model and method",
        "Every value has a reason and a source. Change one with the arrows, and memory, time and quality "
        "follow at once. g tries cards you could rent.",
    ),
    Stop(
        "review",
        "Review",
        "All of it is one commented file. Save it, share it, and run it from a script with the command "
        "below: the same path, with or without this app.",
    ),
    Stop(
        "dashboard",
        "Dashboard",
        "A run that was recorded: the small model on the tickets. The star is the best point on rows it "
        "never trained on; warnings say what to do about them.",
    ),
    Stop(
        "result",
        "Result",
        "What it was all for: held-out rows before and after, and answers side by side. Here the tuned "
        "model went from no exact match to nine in ten.",
    ),
    Stop(
        "home",
        "Yours",
        "d trains that very model here, for real, in a minute or two. n begins a run of your own; Enter is "
        "always a sensible answer, and ? explains every screen.",
    ),
)


def seen() -> bool:
    """Whether the tour was begun or put aside here before."""
    return paths.exists(_mark())


def remember() -> None:
    """The tour is not offered first any more. A home that cannot be written to offers it again."""
    try:
        _mark().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _mark().touch()
    except OSError:
        return


def _mark() -> Path:
    return paths.state_home() / "tour-seen"


class Tour:
    """The tour under way: it shows a stop by putting its screen under the coach, and cleans up at its end.

    The user's own draft is put aside meanwhile; nothing is written but a copy of the recorded run, for a
    moment, among the temporary files.
    """

    def __init__(self, app: TuneApp) -> None:
        self._app = app
        self._draft = app.put_draft_aside()
        self._folder = tempfile.TemporaryDirectory(prefix="tuiftune-tour-")
        self.at = 0

    def show(self, at: int) -> None:
        """Show a stop; beyond the last one the tour ends."""
        from tuiftune.tui.tour.coach import Coach

        if at >= len(STOPS):
            self.end()
            return
        self.at = max(0, at)
        self._back_to_home()
        stop = STOPS[self.at]
        self._open(stop.screen)
        self._app.screen.add_class("-coached")
        self._app.push_screen(Coach(stop, self.at, len(STOPS)))

    def end(self) -> None:
        """Home again, with the draft as it was."""
        self._back_to_home()
        self._app.take_draft_back(self._draft)
        self._folder.cleanup()

    def _back_to_home(self) -> None:
        while len(self._app.screen_stack) > 1:
            self._app.pop_screen()
        self._app.screen.remove_class("-coached")

    def _open(self, screen: str) -> None:
        if screen == "home":
            return
        if screen in ("dashboard", "result"):
            self._app.open_run(self._run())
            if screen == "result":
                from tuiftune.tui.dashboard.result import ResultScreen

                self._app.push_screen(ResultScreen(self._run()))
        else:
            self._app.open_step(screen)

    def _run(self) -> RunDir:
        from tuiftune import assets
        from tuiftune.runs.store.directory import RunDir

        copy = Path(self._folder.name) / "recorded-demo"
        if not paths.exists(copy):
            shutil.copytree(assets.RECORDED, copy)
        return RunDir(copy)
