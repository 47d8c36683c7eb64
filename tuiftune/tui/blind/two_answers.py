"""One row of a blind review: the prompt, two answers, and the question that is open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune.evaluate.reviewing import CRITERIA, OVERALL, QUESTIONS
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.reviewing import Item

ASKED = (OVERALL, *CRITERIA)
GAP = 2  # cells between two answers side by side
WORDS = {"left": "answer 1", "right": "answer 2", "tie": "equal"}


@dataclass
class Shown:
    """What the canvas draws; the screen changes it. Nothing of it says whose answer is which.

    Attributes:
        choices: `left`, `right` or `tie` by what was asked, of this row.
        summary: what all votes say, once no row is open.
    """

    item: Item | None = None
    number: int = 0
    rows: int = 0
    choices: dict[str, str] = field(default_factory=dict)
    note: str = ""
    summary: Sequence[str] = ()
    fault: str = ""

    @property
    def open(self) -> str | None:
        """Return what is asked next; None if everything is answered."""
        return next((name for name in ASKED if name not in self.choices), None)


class TwoAnswers(Canvas):
    """The two answers, side by side from 100 cells on."""

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self._shown = shown

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        shown, item = self._shown, self._shown.item
        lines = [Line(part, "warning") for part in wrapped(shown.fault, width)] if shown.fault else []
        if item is None:
            return lines + [Line(part) for words in shown.summary for part in ("", *wrapped(words, width))]
        lines += [Line(f"row {shown.number} of {shown.rows}", "faint"), Line()]
        lines += [Line(part, "soft") for part in wrapped(item.prompt, width)]
        lines.append(Line())
        if width >= 100:
            half = (width - GAP) // 2
            left, right = self._answer("1", item.left, half), self._answer("2", item.right, half)
            for at in range(max(len(left), len(right))):
                line = left[at] if at < len(left) else Line()
                line.to(half + GAP)
                line.spans += right[at].spans if at < len(right) else []
                lines.append(line)
        else:
            lines += [*self._answer("1", item.left, width), *self._answer("2", item.right, width)]
        return [*lines, *self._questions()]

    def _answer(self, name: str, text: str, width: int) -> list[Line]:
        rule = self.glyphs.rule * max(0, width - len(name) - 1)
        head = Line(f"{name} ", "key").add(rule, "faint")
        return [head, *(Line(part) for part in wrapped(text or "(empty)", width)), Line()]

    def _questions(self) -> list[Line]:
        shown = self._shown
        lines = []
        for name in ASKED:
            here = name == shown.open
            question = "Which answer is better?" if name == OVERALL else QUESTIONS[name]
            line = Line(f"{self.glyphs.pointer} " if here else "  ", "accent")
            line.add(question.ljust(27), "strong" if here else "faint")
            lines.append(line.add(WORDS.get(shown.choices.get(name, ""), ""), "good"))
        if shown.note:
            lines.append(Line("  note: ", "faint").add(shown.note))
        if shown.open is None:
            lines.append(Line("  Enter keeps the vote and shows the next row.", "soft"))
        return lines
