"""The tour: the app's screens with a recorded run and built-in data, each with an explanation."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.tui.keys.scopes import TOUR
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.screens import Dialog
from tuiftune.tui.kit.seen import remember
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.tui.tour.stops import STOPS

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.runs.store.directory import RunDir
    from tuiftune.tui.kit.base_app import BaseApp

ANSWERS = {"task": "classify", "facts": "request", "tried": "prompting"}
REPAINTS = (0.2, 0.6, 1.5)  # seconds
TEXT_LINES = 3


class Tour:
    """A tour in progress. It shows a stop by opening its screen below a `Coach`, and cleans up at its end.

    The user's draft is restored at the end. Only a temporary copy of the recorded run is written.
    """

    def __init__(self, app: BaseApp) -> None:
        from tuiftune.wizard.draft import Draft

        remember("tour")
        self._app = app
        self._aside = app.draft
        app.draft = Draft(
            model="builtin:tiny", data=("builtin:tickets",), answers=ANSWERS, name="tickets-tiny"
        )
        self._folder = tempfile.TemporaryDirectory(prefix="tuiftune-tour-")
        self._over = False

    def show(self, at: int) -> None:
        """Show a stop; after the last one the tour ends."""
        if at >= len(STOPS):
            self.end()
            return
        at = max(0, at)
        self._back_to_home()
        self._open(STOPS[at].screen)
        self._app.screen.add_class("-coached")
        self._app.push_screen(Coach(self, at))

    def end(self) -> None:
        """Return to the home screen and restore the draft."""
        if not self._over:
            self._over = True
            self._back_to_home()
            self._app.draft = self._aside
            self._folder.cleanup()

    def _back_to_home(self) -> None:
        while len(self._app.screen_stack) > 1:
            self._app.pop_screen()
        self._app.screen.remove_class("-coached")

    def _open(self, screen: str) -> None:
        if screen in ("dashboard", "result"):
            self._app.open_run(self._run())
            if screen == "result":
                self._app.open("result", self._run())
        elif screen != "home":
            self._app.open(screen)

    def _run(self) -> RunDir:
        from tuiftune import assets
        from tuiftune.runs.store.directory import RunDir

        copy = Path(self._folder.name) / "recorded-demo"
        if not paths.exists(copy):
            shutil.copytree(assets.RECORDED, copy)
        return RunDir(copy)


class Coach(Dialog[None]):
    """The explanation below a real screen. It receives all keys, so that nothing is changed."""

    SCOPES = (TOUR,)

    def __init__(self, tour: Tour, at: int) -> None:
        super().__init__()
        self._tour, self._at = tour, at

    def compose(self) -> ComposeResult:
        yield CoachLine(self._at)

    def on_mount(self) -> None:
        """Repaint the screen below: Textual loses what it paints before this dialog is laid out."""
        for delay in REPAINTS:
            self.set_timer(delay, self._repaint)

    def _repaint(self) -> None:
        if self.app.screen is self:
            self.app.screen_stack[-2].refresh(layout=True)
            self.refresh()

    def action_move(self, by: int) -> None:
        """Go to the next or the previous stop."""
        self._tour.show(self._at + by)

    def action_skip(self) -> None:
        self._tour.end()


class CoachLine(Canvas):
    """The explanation of a stop, its place in the tour, and the keys."""

    def __init__(self, at: int) -> None:
        super().__init__(id="coach")
        self._at = at

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        stop, total = STOPS[self._at], len(STOPS)
        head = Line(" tour ", "brand").add(f" {stop.title} ", "title")
        for index in range(total):
            mark, ink = (self.glyphs.done, "good") if index < self._at else (self.glyphs.ahead, "faint")
            mark, ink = (self.glyphs.here, "accent") if index == self._at else (mark, ink)
            head.add(f" {mark}", ink)
        head.right(f"{self._at + 1} of {total} ", "soft", width)
        text = [Line(f" {part}") for part in wrapped(stop.says, min(width - 2, 110), TEXT_LINES)]
        text += [Line()] * (TEXT_LINES - len(text))
        last = self._at == total - 1
        keys = Line(" Enter ", "key").add("Home " if last else "Next ", "soft")
        if self._at:
            keys.add(" ← ", "key").add("Back ", "soft")
        keys.add(" Esc ", "key").add("Close the tour ", "soft")
        return [head, *text, keys.right("press t on the home screen to reopen it ", "faint", width)]
