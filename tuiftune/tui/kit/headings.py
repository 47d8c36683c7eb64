"""The top lines of a screen: the title bar, or the question of a wizard step with its message."""

from __future__ import annotations

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped


class TitleBar(Canvas):
    def __init__(self, title: str, right: str = "") -> None:
        super().__init__()
        self._title = title
        self._right = right

    def say(self, title: str | None = None, right: str | None = None) -> None:
        """Replace the title, the text at the right, or both."""
        self._title = self._title if title is None else title
        self._right = self._right if right is None else right
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        line = Line(" tuiftune ", "brand").add(f" {self._title}", "title")
        return [line.right(f"{self._right} ", "soft", width)]


LINES = 4
INKS = {"ok": "good", "info": "soft", "warning": "warning", "error": "error"}


class Lead(Canvas):
    def __init__(self, asks: str) -> None:
        super().__init__()
        self._asks = asks
        self._text = ""
        self._severity = "info"

    def say(self, text: str, severity: str = "info") -> None:
        self._text, self._severity = text, severity
        if self.get_content_height(self.size, self.size, self.size.width) != self.size.height:
            self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines = [Line(" ").add(self._asks, "title")]
        if self._text:
            sign = f"{self.glyphs.severity(self._severity)} " if self._severity != "info" else ""
            parts = wrapped(sign + self._text, width - 2, LINES, self.glyphs.more)
            lines += [Line(" ").add(part, INKS[self._severity]) for part in parts]
        return lines
