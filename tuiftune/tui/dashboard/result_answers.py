"""Generated answers side by side: the question, what was wanted, and what the base and the tuned model
said."""

from __future__ import annotations

from typing import Any

from tuiftune.data.chat.reasoning import matches
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

MOST = 6  # lines of one text


class Answers(Canvas):
    """`samples`: `{"prompt", "reference", "before", "after"}`. Two columns from 100 cells on, else one below
    another."""

    def __init__(self, samples: list[dict[str, Any]]) -> None:
        super().__init__()
        self._samples = samples

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        lines: list[Line] = []
        if not self._samples:
            return [Line("no answers were generated in this run", "faint")]
        for number, sample in enumerate(self._samples, 1):
            rule = self.glyphs.rule * max(0, width - 12)
            lines.append(Line(f"answer {number} ", "title").add(rule, "faint"))
            lines += self._block("asked", str(sample.get("prompt", "")), "soft", width)
            reference = str(sample.get("reference", ""))
            lines += self._block("wanted", reference, "strong", width)
            before = self._judged(
                "before", sample.get("before"), reference, (width - 2) // 2 if width >= 100 else width
            )
            after = self._judged(
                "after", sample.get("after"), reference, (width - 2) // 2 if width >= 100 else width
            )
            lines += _beside(before, after, width) if width >= 100 else [*before, *after]
            lines.append(Line())
        return lines

    def _judged(self, label: str, answer: Any, reference: str, width: int) -> list[Line]:
        if answer is None:
            return self._block(label, self.glyphs.missing, "faint", width)
        same = matches(str(answer), reference)
        sign, ink = (self.glyphs.ok, "good") if same else (self.glyphs.error, "warning")
        lines = self._block(label, str(answer) if str(answer).strip() else "(nothing)", ink, width - 2)
        lines[0].right(sign, ink, width)
        return lines

    def _block(self, label: str, text: str, ink: str, width: int) -> list[Line]:
        parts = wrapped(text, width - 9, MOST, self.glyphs.more)
        return [
            Line((label if row == 0 else "").ljust(8), "faint").add(part, ink)
            for row, part in enumerate(parts)
        ]


def _beside(left: list[Line], right: list[Line], width: int) -> list[Line]:
    lines = []
    for row in range(max(len(left), len(right))):
        line = left[row] if row < len(left) else Line()
        line.to((width - 2) // 2 + 2)
        if row < len(right):
            line.spans += right[row].spans
        lines.append(line)
    return lines
