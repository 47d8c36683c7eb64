"""Passages that questions find, best first: where, how strongly, by which words, and the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuiftune.advice.bm25 import Hit

TEXT_LINES = 3


class HitList(Canvas):
    """As tall as its text: put it into something that scrolls."""

    def __init__(self) -> None:
        super().__init__()
        self._found: Mapping[str, Sequence[Hit]] = {}

    def show(self, found: Mapping[str, Sequence[Hit]]) -> None:
        self._found = found
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        for question, hits in self._found.items():
            if len(self._found) > 1:
                lines += [Line(part, "title") for part in wrapped(question, width, 2)]
            if not hits:
                lines.append(
                    Line("  nothing shares a word with this: it cannot be answered from here", "warning")
                )
            for number, hit in enumerate(hits, 1):
                place = f"{hit.passage.file}:{hit.passage.line}"
                line = Line(f"{number} ", "key").add(place, "second").add(f"  {hit.score:.1f}  ", "strong")
                room = width - line.width
                if room > 12:
                    line.add(wrapped(", ".join(hit.matched), room, 1)[0], "faint")
                text = " ".join(hit.passage.text.split())
                lines += [
                    line,
                    *(Line("  ").add(part, "soft") for part in wrapped(text, width - 2, TEXT_LINES)),
                ]
            lines.append(Line())
        return lines or [Line("nothing asked yet", "faint")]
