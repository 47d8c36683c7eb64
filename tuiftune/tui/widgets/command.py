"""The command line that does the same without the app."""

from __future__ import annotations

from tuiftune.tui.widgets.canvas import Canvas, Line


class CommandLine(Canvas):
    def __init__(self) -> None:
        super().__init__()
        self._command = ""

    def show(self, command: str) -> None:
        self._command = command
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        return [
            Line(" Command ", "soft")
            .add("$ ", "faint")
            .add(self._command, "c1")
            .right("after an export", "faint", width)
        ]
