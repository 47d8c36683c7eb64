"""Every resolved value with its reason and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from tuiftune.tui.keys.scopes import READING, REASONS
from tuiftune.tui.kit.canvas import Canvas, Line
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

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        for reason in self._reasons:
            lines.append(Line(reason.key, "title").add(f"  {written(reason.value)}", "accent"))
            lines += [Line("  ").add(part) for part in wrapped(reason.why, width - 2)]
            lines += [
                Line("  ").add(part, "faint") for part in wrapped(f"source: {reason.source}", width - 2)
            ]
        for note in self._notes:
            lines += [Line(part, "soft") for part in wrapped(note, width)]
        return lines


class Reasons(Dialog[None]):
    SCOPES = (REASONS, READING)
    SCROLLS = "#help"

    def __init__(self, plan: Plan, advice: Recommendation | None) -> None:
        super().__init__()
        advised = advice.reasons if advice else ()
        shown = {reason.key for reason in advised}
        self._reasons = [*advised, *(reason for reason in plan.reasons if reason.key not in shown)]
        self._notes = [*(advice.advice if advice else ()), *plan.notes]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Why these values"
            box.border_subtitle = "Esc closes"
            yield ReasonLines(self._reasons, self._notes)
