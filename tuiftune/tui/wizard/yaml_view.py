"""A preset's YAML with its parts in colours: comments, keys, values."""

from __future__ import annotations

import re

from tuiftune.tui.kit.canvas import Canvas, Line

KEY = re.compile(r"^(\s*(?:- )?)([A-Za-z_][\w.-]*)(:)(\s.*|)$")
COMMENT = re.compile(r"(^|\s)#")


class YamlView(Canvas):
    """As tall as its text: put it into something that scrolls."""

    def __init__(self) -> None:
        super().__init__(id="yaml")
        self._lines: list[str] = []

    def show(self, text: str) -> None:
        self._lines = text.rstrip("\n").split("\n")
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        return [_coloured(line, width, self.glyphs.more) for line in self._lines]


def _coloured(text: str, width: int, more: str) -> Line:
    if len(text) > width:
        text = text[: width - len(more)] + more
    comment = COMMENT.search(text)
    body, tail = (text[: comment.start()], text[comment.start() :]) if comment else (text, "")
    line = Line()
    match = KEY.match(body)
    if match:
        indent, key, colon, value = match.groups()
        line.add(indent).add(key, "c1").add(colon, "faint")
        line.add(value, "accent" if value.strip() == "auto" else "strong")
    else:
        line.add(body)
    return line.add(tail, "faint")
