"""A few-shot prompt as it will be written: headings, labels, and each example with the row it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.advice.prompting import Prompt

INKS = {"Input:": "second", "Answer:": "good", "{input}": "accent"}


class PromptView(Canvas):
    """As tall as its text: put it into something that scrolls."""

    def __init__(self) -> None:
        super().__init__()
        self._prompt: Prompt | None = None

    def show(self, prompt: Prompt | None) -> None:
        self._prompt = prompt
        self.refresh(layout=True)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        if self._prompt is None:
            return [Line()]
        lines: list[Line] = []
        shots = iter(self._prompt.shots)
        for text in self._prompt.template.split("\n"):
            ink = "title" if text.startswith("#") else INKS.get(text, "")
            parts = [Line(part, ink) for part in wrapped(text, width)]
            if text == "Input:" and (shot := next(shots, None)) is not None:
                parts[0].add(f"   (row {shot.row})", "faint")
            lines += parts
        return lines
