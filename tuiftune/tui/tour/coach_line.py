"""What the tour says at a stop, where in the tour that is, and the keys that lead on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.tui.tour.tour import Stop

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
