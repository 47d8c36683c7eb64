"""The command line that does the same without the app."""

from __future__ import annotations

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

LABEL = 9


class CommandLine(Canvas):
    def __init__(self) -> None:
        super().__init__()
        self._command = ""
        self._saved = False

    def show(self, command: str, saved: bool) -> None:
        """`saved`: the file it names is there, so that it works as it stands."""
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
        note, ink = "c saves it and copies ", "faint"
        if self._saved:
            note, ink = f"{self.glyphs.ok} saved, works as it stands ", "good"
        if lines[-1].width + len(note) + 2 > width:
            lines.append(Line())
        lines[-1].right(note, ink, width)
        return lines
