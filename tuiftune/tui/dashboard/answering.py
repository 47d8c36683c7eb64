"""A few held-out rows, and how the answer to each changes as training goes: one row at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll

from tuiftune.tui import STYLES
from tuiftune.tui.dashboard.answer_history import AnswerCourse
from tuiftune.tui.keys.actions import bindings
from tuiftune.tui.keys.key_bar import KeyBar
from tuiftune.tui.keys.scopes import ANSWERING
from tuiftune.tui.kit.title_bar import TitleBar
from tuiftune.tui.textual_patches.whole import WholeScreen

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.runs.store.samples import Generations


class Answering(WholeScreen[None]):
    """The dashboard that opened it hands over what is new: `take`."""

    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (ANSWERING,)
    BINDINGS: ClassVar[list[BindingType]] = bindings(ANSWERING)

    def __init__(self, name: str, seen: Generations) -> None:
        super().__init__()
        self._run_name, self._seen, self._row = name, seen, 0

    def compose(self) -> ComposeResult:
        yield TitleBar(f"{self._run_name}: how the answers change")
        with VerticalScroll(id="answering"):
            yield AnswerCourse()
        yield KeyBar(ANSWERING)

    def on_mount(self) -> None:
        self.query_one("#answering").focus()
        self._show()

    def take(self, seen: Generations) -> None:
        """What was generated so far."""
        if seen != self._seen:
            self._seen = seen
            if self.is_mounted:
                self._show()

    def _show(self) -> None:
        seen = self._seen
        count = len(seen.questions)
        self._row = max(0, min(self._row, count - 1))
        course = self.query_one(AnswerCourse)
        course.show(seen, self._row)
        course.refresh(layout=True)
        self.query_one(TitleBar).say(right=f"row {self._row + 1} of {count}" if count else "")
        self.query_one(KeyBar).redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        return len(self._seen.questions) > 1 if action.startswith("row") else True

    def action_row(self, by: int) -> None:
        count = len(self._seen.questions)
        if count:
            self._row = (self._row + by) % count
            self.query_one("#answering").scroll_home(animate=False)
            self._show()

    def action_scroll(self, by: int) -> None:
        self.query_one("#answering").scroll_relative(y=by, animate=False)

    def action_close(self) -> None:
        self.app.pop_screen()
