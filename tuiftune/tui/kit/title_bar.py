"""The top line outside the wizard: the program, where one is, and one fact at the right edge."""

from __future__ import annotations

from tuiftune.tui.kit.canvas import Canvas, Line


class TitleBar(Canvas):
    def __init__(self, title: str, right: str = "") -> None:
        super().__init__()
        self._title = title
        self._right = right

    def say(self, title: str | None = None, right: str | None = None) -> None:
        """Replace the title, the fact at the right, or both."""
        self._title = self._title if title is None else title
        self._right = self._right if right is None else right
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        line = Line(" tuiftune ", "brand").add(f" {self._title}", "title")
        return [line.right(f"{self._right} ", "soft", width)]
