"""The list of checks with a cursor, and the selected one in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from tuiftune.figures import plural
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
    """A check in full: why it matters, its fix, its rows and examples, and what the fix key does."""

    def __init__(self) -> None:
        super().__init__(id="check-detail")
        self._check: Check | None = None
        self._key = ""

    def show(self, check: Check, key: str) -> None:
        """Show a check. `key` is what the fix key will do, or why it does nothing."""
        self._check, self._key = check, key
        self.refresh(layout=True)

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        check = self._check
        if check is None:
            return []
        ink = INKS[check.severity]
        head = Line(f"{self.glyphs.severity(check.severity)} ", ink).add(check.title, "title")
        lines = [head.add(f"  {plural(check.count, 'row')}" if check.count else "", ink)]
        if check.severity == "ok":
            return [*lines, Line("passed", "soft")]
        parts = [("why", check.why, ""), ("fix", check.remedy, ""), ("f", self._key, "accent")]
        if check.count:
            numbers = check.places or check.rows
            shown = ", ".join(map(str, numbers[:ROWS]))
            more = f" {self.glyphs.more}" if check.count > len(numbers[:ROWS]) else ""
            parts.append(("rows", shown + more, "soft"))
        for name, text, color in parts:
            for number, part in enumerate(wrapped(text, width - 6)) if text else ():
                head = Line(("" if number else name).ljust(6), "key" if name == "f" else "soft")
                lines.append(head.add(part, color))
        if check.examples:
            lines.append(Line())
        for example in check.examples:
            lines += [Line("      ").add(part, "soft") for part in wrapped(example, width - 6, 2)]
        return lines
