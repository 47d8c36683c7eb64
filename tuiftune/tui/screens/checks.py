"""All checks of a dataset with their reasons, rows and remedies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from tuiftune.tui.keys import DIALOG, bindings
from tuiftune.tui.widgets.canvas import Canvas, Line
from tuiftune.tui.widgets.checklist import INKS
from tuiftune.tui.widgets.wrap import wrapped

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tuiftune.data.checks.check import Check

ROWS = 12


class CheckDetails(Canvas):
    def __init__(self, checks: list[Check]) -> None:
        super().__init__()
        self._checks = checks

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        for check in self._checks:
            ink = INKS[check.severity]
            head = Line(f"{self.glyphs.severity(check.severity)} ", ink).add(check.title, "title")
            lines.append(head.add(f"  {check.count:,} rows" if check.count else "  in order", ink))
            for name, text, most in (("why", check.why, 3), ("do", check.remedy, 3)):
                if text and check.severity != "ok":
                    parts = wrapped(text, width - 6, most)
                    lines += [
                        Line("  " + ("" if row else name).ljust(4), "soft").add(part)
                        for row, part in enumerate(parts)
                    ]
            if check.rows:
                numbers = ", ".join(str(row) for row in check.rows[:ROWS])
                more = f" and {check.count - ROWS:,} more" if check.count > ROWS else ""
                lines.append(Line("  rows ", "soft").add(f"{numbers}{more}", "soft"))
            lines += [
                Line("       ").add(wrapped(example, width - 7, 1)[0], "faint")
                for example in check.examples[:2]
            ]
            lines.append(Line())
        return lines or [Line("no checks have run yet", "faint")]


class AllChecks(ModalScreen[None]):
    SCOPES = (DIALOG,)
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(DIALOG),
        ("q", "cancel", "Close"),
        ("j,down", "scroll(2)", "Down"),
        ("k,up", "scroll(-2)", "Up"),
    ]

    def __init__(self, checks: list[Check]) -> None:
        super().__init__()
        self._checks = checks

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Checks"
            box.border_subtitle = "Esc closes"
            yield CheckDetails(self._checks)

    def action_scroll(self, by: int) -> None:
        self.query_one("#help").scroll_relative(y=by, animate=False)

    def action_cancel(self) -> None:
        self.dismiss(None)
