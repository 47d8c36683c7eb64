"""A few rows as the trainer will see them, by role. Control characters are shown as escapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.data.example import Example

INKS = {"assistant": "good", "user": "", "system": "soft", "tool": "second"}
LONGEST = 4000  # characters shown of one message


class SampleRows(Canvas):
    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="samples", classes=classes)
        self._examples: list[Example] = []
        self._at = 0

    def show(self, examples: list[Example]) -> None:
        self._examples, self._at = examples, 0
        self.redraw()

    @property
    def at(self) -> int:
        """The index of the first row shown."""
        return self._at

    def move(self, by: int) -> None:
        """Start with a later or an earlier row."""
        if self._examples:
            self._at = max(0, min(len(self._examples) - 1, self._at + by))
            self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if not self._examples:
            return [Line("rows will appear here", "faint")]
        lines: list[Line] = []
        each = 2 if height < 12 else 4
        for example in self._examples[self._at :]:
            if lines:
                lines.append(Line())
            lines += self._row(example, width, each)
            if len(lines) >= height:
                break
        return lines[:height]

    def _row(self, example: Example, width: int, each: int) -> list[Line]:
        number = f"{example.row} "
        lines: list[Line] = []
        for index, (role, content) in enumerate(example.parts()):
            head = (number if index == 0 else "").rjust(6)
            parts = wrapped(content[:LONGEST], width - 17, each, self.glyphs.more)
            for row, part in enumerate(parts):
                line = Line(head if row == 0 else " " * 6, "faint")
                line.add((role[:9] if row == 0 else "").ljust(11), "soft").add(part, INKS.get(role, ""))
                lines.append(line)
        return lines
