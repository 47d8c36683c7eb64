"""Dialogs on a plan: every value with its reason, and the alternatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical, VerticalScroll
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuiftune.figures import size
from tuiftune.sources import listed
from tuiftune.tui.keys.scopes import ALTERNATIVES, LIST, READING, REASONS
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.dialogs import ListDialog, described
from tuiftune.tui.kit.glyphs import UNICODE
from tuiftune.tui.kit.screens import Dialog
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.wizard.settings import written

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiftune.plan.model import Plan, Reason
    from tuiftune.wizard.recommend import Recommendation


class ReasonLines(Canvas):
    def __init__(self, reasons: list[Reason], notes: list[str]) -> None:
        super().__init__()
        self._reasons, self._notes = reasons, notes
        self.places: dict[str, int] = {}  # the line that each key begins on

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        self.places.clear()
        for reason in self._reasons:
            self.places[reason.key] = len(lines)
            lines.append(Line(reason.key, "title").add(f"  {written(reason.value)}", "accent"))
            lines += [Line("  ").add(part) for part in wrapped(reason.why, width - 2)]
            lines += [
                Line("  ").add(part, "faint") for part in wrapped(f"source: {reason.source}", width - 2)
            ]
        for note in self._notes:
            lines += [Line(part, "soft") for part in wrapped(note, width)]
        lines.append(Line("sources", "title"))
        for source in listed(reason.source for reason in self._reasons):
            lines += [Line("  ").add(part, "faint") for part in wrapped(source.full, width - 2)]
        return lines


class Reasons(Dialog[None]):
    SCOPES = (REASONS, READING)
    SCROLLS = "#help"

    def __init__(self, plan: Plan, advice: Recommendation | None, at: str = "") -> None:
        """`at`: the key that is shown first."""
        super().__init__()
        self._at = at
        advised = advice.reasons if advice else ()
        shown = {reason.key for reason in advised}
        self._reasons = [*advised, *(reason for reason in plan.reasons if reason.key not in shown)]
        self._notes = [*(advice.advice if advice else ()), *plan.notes]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Reasons for these values"
            box.border_subtitle = "Esc: close"
            yield ReasonLines(self._reasons, self._notes)

    def on_mount(self) -> None:
        self.call_after_refresh(self._go)

    def _go(self) -> None:
        view = self.query_one(ReasonLines)
        view.paint(view.size.width, view.size.height)
        if place := view.places.get(self._at):
            self.query_one("#help").scroll_to(y=place, animate=False)


class Alternatives(ListDialog[int | None]):
    """The list of alternatives. Dismissed with the index of one in the plan, or None."""

    SCOPES = (ALTERNATIVES, LIST)

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def compose(self) -> ComposeResult:
        glyphs = getattr(self.app, "glyphs", UNICODE)
        with Vertical(id="picker") as box:
            box.border_title = "Alternatives"
            box.border_subtitle = "Enter: use, Esc: cancel"
            options = []
            for index, other in enumerate(self._plan.alternatives):
                sign = glyphs.ok if other.fits else glyphs.error
                changes = ", ".join(f"{key} = {written(value)}" for key, value in other.changes.items())
                words = f"{changes}. Needs {size(other.needs)}."
                told = described(self.app, other.says, words, sign=sign, good=other.fits)
                options.append(Option(told, id=str(index)))
            yield OptionList(*options)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(int(event.option.id or 0))
