"""Widgets of the review step: the preset as YAML in color, and the command that runs it without the app."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Size

    from tuiftune.wizard.summary import Line as SummaryLine

KEY = re.compile(r"^(\s*(?:- )?)([A-Za-z_][\w.-]*)(:)(\s.*|)$")
COMMENT = re.compile(r"(^|\s)#")


class YamlView(Canvas):
    """YAML text at its full height, for a scrolling container."""

    def __init__(self) -> None:
        super().__init__(id="yaml")
        self._lines: list[str] = []

    def show(self, text: str) -> None:
        self._lines = text.rstrip("\n").split("\n")
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        return [_colored(line, width, self.glyphs.more) for line in self._lines]


def _colored(text: str, width: int, more: str) -> Line:
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


LABEL = 9
ROOMY = 30  # lines of a screen from which every line of the summary is shown in full


class SummaryView(Canvas):
    """The five lines of the summary: model, data, method, cost, and what is not in order."""

    def __init__(self) -> None:
        super().__init__(id="summary")
        self._lines: Sequence[SummaryLine] = ()

    def show(self, lines: Sequence[SummaryLine]) -> None:
        self._lines = lines
        self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(5, len(self.paint(width, viewport.height)))

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        if not self._lines:
            return [Line(" planning and checking …", "soft")]
        roomy = self.app.size.height >= ROOMY
        lines: list[Line] = []
        for one in self._lines:
            sign = f"{self.glyphs.severity(one.level)} " if one.level else ""
            most = 3 if roomy else 2 if one is self._lines[-1] else 1
            ink = one.level or "strong"
            for row, part in enumerate(wrapped(sign + one.text, width - LABEL - 1, most, self.glyphs.more)):
                head = Line((f" {one.name}" if row == 0 else "").ljust(LABEL), "soft")
                lines.append(head.add(part, ink))
        return lines


class CommandLine(Canvas):
    def __init__(self) -> None:
        super().__init__()
        self._command = ""
        self._saved = False

    def show(self, command: str, saved: bool) -> None:
        """Show a command. `saved`: the file it names exists, so that it works."""
        self._command, self._saved = command, saved
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        parts = wrapped(self._command, max(20, width - LABEL - 3))
        lines = []
        for row, part in enumerate(parts):
            head = Line((" Command " if not row else "").ljust(LABEL), "soft")
            lines.append(head.add("  " if row else "$ ", "faint").add(part, "c1"))
        note, ink = "c: save and copy ", "faint"
        if self._saved:
            note, ink = f"{self.glyphs.ok} saved, ready to run ", "good"
        if lines[-1].width + len(note) + 2 > width:
            lines.append(Line())
        lines[-1].right(note, ink, width)
        return lines
