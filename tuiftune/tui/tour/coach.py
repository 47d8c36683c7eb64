"""The coach of the tour: a few words below a real screen. Keys go to it alone, so that nothing is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.scopes import TOUR
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.tui.textual_patches.single_paint import SinglePaintModal

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.tui.app import TuneApp
    from tuiftune.tui.tour.tour import Stop


REPAINTS = (0.2, 0.6, 1.5)  # seconds


class Coach(SinglePaintModal[None]):
    SCOPES = (TOUR,)
    BINDINGS: ClassVar[list[BindingType]] = bindings(TOUR)
    app: TuneApp

    def __init__(self, stop: Stop, at: int, total: int) -> None:
        super().__init__()
        self._stop, self._at, self._total = stop, at, total

    def compose(self) -> ComposeResult:
        yield CoachLine(self._stop, self._at, self._total)

    def on_mount(self) -> None:
        """Textual loses what the screen beneath paints before this one is laid out: it is asked for again."""
        for delay in REPAINTS:
            self.set_timer(delay, self._repaint)

    def _repaint(self) -> None:
        if self.app.screen is self:
            self.app.screen_stack[-2].refresh(layout=True)
            self.refresh()

    def action_move(self, by: int) -> None:
        """The next stop, or the one before."""
        self.app.show_tour(self._at + by)

    def action_skip(self) -> None:
        self.app.end_tour()


TEXT_LINES = 3


class CoachLine(Canvas):
    def __init__(self, stop: Stop, at: int, total: int) -> None:
        super().__init__(id="coach")
        self._stop, self._at, self._total = stop, at, total

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        head = Line(" tour ", "brand").add(f" {self._stop.title} ", "title")
        for index in range(self._total):
            mark, ink = (self.glyphs.done, "good") if index < self._at else (self.glyphs.ahead, "faint")
            mark, ink = (self.glyphs.here, "accent") if index == self._at else (mark, ink)
            head.add(f" {mark}", ink)
        head.right(f"{self._at + 1} of {self._total} ", "soft", width)
        text = [Line(f" {part}") for part in wrapped(self._stop.says, min(width - 2, 110), TEXT_LINES)]
        text += [Line()] * (TEXT_LINES - len(text))
        last = self._at == self._total - 1
        keys = Line(" Enter ", "key").add("Home " if last else "Next ", "soft")
        if self._at:
            keys.add(" ← ", "key").add("Back ", "soft")
        keys.add(" Esc ", "key").add("Leave the tour " if last else "Skip the tour ", "soft")
        return [head, *text, keys.right("t shows it again, from home ", "faint", width)]
