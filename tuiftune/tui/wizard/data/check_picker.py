"""The checks as a list to move in, and one of them in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.tui.wizard.data.check_list import INKS

if TYPE_CHECKING:
    from tuiftune.data.checks.check import Check

ROWS = 40


class CheckPicker(CursorList["Check"]):
    """One line a check."""

    CENTERED = True
    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="check-picker")

    def key(self, row: Check) -> str:
        return row.check

    def empty(self, width: int) -> list[Line]:
        del width
        return [Line("no checks have run yet", "faint")]

    def line(self, row: Check, here: bool, width: int) -> Line:
        count = f"{row.count:,}" if row.count else ""
        line = self.pointer(here).add(f"{self.glyphs.severity(row.severity)} ", INKS[row.severity])
        room = width - line.width - len(count) - 2
        title = wrapped(row.title, room, 1, self.glyphs.more)[0]
        plain = "soft" if row.severity == "ok" else ""
        line.add(title, "strong" if here else plain).add(" " * (room + 1 - cell_len(title)))
        return line.add(count, INKS[row.severity])


class CheckDetail(Canvas):
    """Why a check matters, what to do, its rows and examples, and what the key does."""

    def __init__(self) -> None:
        super().__init__(id="check-detail")
        self._check: Check | None = None
        self._key = ""

    def show(self, check: Check, key: str) -> None:
        """`key` is what the key for the remedy will do; "" where there is none."""
        self._check, self._key = check, key
        self.refresh(layout=True)

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        check = self._check
        if check is None:
            return []
        ink = INKS[check.severity]
        head = Line(f"{self.glyphs.severity(check.severity)} ", ink).add(check.title, "title")
        lines = [head.add(f"  {check.count:,} rows" if check.count else "", ink)]
        if check.severity == "ok":
            return [*lines, Line("in order: nothing was found", "soft")]
        parts = [("why", check.why, ""), ("do", check.remedy, ""), ("f", self._key, "accent")]
        if check.count:
            numbers = check.places or check.rows
            shown = ", ".join(map(str, numbers[:ROWS]))
            more = f" {self.glyphs.more}" if check.count > len(numbers[:ROWS]) else ""
            parts.append(("rows", shown + more, "soft"))
        for name, text, colour in parts:
            for number, part in enumerate(wrapped(text, width - 6)) if text else ():
                head = Line(("" if number else name).ljust(6), "key" if name == "f" else "soft")
                lines.append(head.add(part, colour))
        if check.examples:
            lines.append(Line())
        for example in check.examples:
            lines += [Line("      ").add(part, "soft") for part in wrapped(example, width - 6, 2)]
        return lines
