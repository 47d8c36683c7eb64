"""The coach of the tour: a few words below a real screen. Keys go to it alone, so that nothing is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.scopes import TOUR
from tuiftune.tui.textual_patches.whole import WholeModal
from tuiftune.tui.tour.coach_line import CoachLine

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.tui.app import TuneApp
    from tuiftune.tui.tour.tour import Stop


REPAINTS = (0.2, 0.6, 1.5)  # seconds


class Coach(WholeModal[None]):
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
