"""The panel that explains a screen on a terminal with 50 lines or more, where there is space to spare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Size

WIDEST = 110  # cells of a line that is read with ease


class Explained(Canvas):
    """Titles with explanations, as the help has them. The style sheet hides it on lower screens."""

    def __init__(self, sections: Sequence[tuple[str, str]]) -> None:
        super().__init__(id="explained", classes="panel")
        self._sections = sections

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        del container, viewport
        return len(self.paint(width, 0))

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        for title, words in self._sections:
            if lines:
                lines.append(Line())
            lines.append(Line(title, "title"))
            lines += [Line(part, "soft") for part in wrapped(words, min(width, WIDEST))]
        return lines
