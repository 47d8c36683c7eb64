"""The conversation as it is drawn: prompts, answers next to one another, and the one being written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune.chat.conversation import LABELS, Answer, Conversation, told
from tuiftune.data.chat.reasoning import matches
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.chat.conversation import Turn

COLUMNS_FROM = 90  # cells: narrower, answers stand below one another
GAP = 2


@dataclass(slots=True)
class Writing:
    """What a model has written of an answer so far."""

    model: int
    text: str = ""
    thinking: bool = False


@dataclass(slots=True)
class Shown:
    """What the transcript draws. `live` is the answer that is being generated."""

    names: tuple[str, ...]
    talk: Conversation = field(default_factory=Conversation)
    live: Writing | None = None
    status: str = ""
    fault: str = ""


class Transcript(Canvas):
    """As tall as its text: put it into something that scrolls."""

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self._shown = shown

    def changed(self) -> None:
        """Draw what is shown now, which may be taller."""
        self.refresh(layout=True)

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        shown = self._shown
        lines: list[Line] = []
        if shown.talk.system:
            lines += self._block("system", shown.talk.system, "soft", width)
        for role, content in shown.talk.opening:
            lines += self._block(role, content, "soft", width)
        for turn in shown.talk.turns:
            last = turn is shown.talk.turns[-1]
            lines += [*self._turn(turn, shown.live if last else None, width), Line()]
        if not shown.talk.turns and not shown.status:
            lines += [Line(part, "soft") for part in wrapped(self._empty(), width)]
        lines += [Line(part, "soft") for part in wrapped(shown.status, width) if part]
        lines += [Line(part, "warning") for part in wrapped(shown.fault, width) if part]
        return lines

    def _empty(self) -> str:
        return (
            "Type a prompt and press Enter. Ctrl+G lists prompts of the evaluation set. "
            "Answers are greedy until you set a temperature (Ctrl+S)."
        )

    def _turn(self, turn: Turn, live: Writing | None, width: int) -> list[Line]:
        lines = self._block("you", turn.prompt, "strong", width)
        if turn.reference:
            lines += self._block("reference", turn.reference, "soft", width)
        several = len(self._shown.names) > 1
        beside = several and width >= COLUMNS_FROM
        column = (width - GAP) // 2 if beside else width
        blocks = [self._answer(turn, number, answer, column) for number, answer in enumerate(turn.answers)]
        if live is not None:
            blocks.append(self._live(len(turn.answers), live, column))
        if not beside:
            return lines + [line for block in blocks for line in block]
        for at in range(0, len(blocks), 2):
            lines += _two(blocks[at], blocks[at + 1] if at + 1 < len(blocks) else [], column)
        return lines

    def _answer(self, turn: Turn, number: int, answer: Answer, width: int) -> list[Line]:
        ink = "accent" if turn.chosen == number else "soft"
        head = Line(f"{LABELS[number % len(LABELS)]} ", "key").add(self._shown.names[answer.model], ink)
        if turn.chosen == number:
            head.add(f" {self.glyphs.ok} better", "good")
        if turn.reference:
            same = matches(answer.text, turn.reference)
            head.right(self.glyphs.ok if same else self.glyphs.error, "good" if same else "warning", width)
        lines = [head, *self._text(answer.text, width)]
        return [*lines, *(Line(part, "faint") for part in wrapped(told(answer), width))]

    def _live(self, number: int, live: Writing, width: int) -> list[Line]:
        head = Line(f"{LABELS[number % len(LABELS)]} ", "key").add(self._shown.names[live.model], "soft")
        if live.thinking:
            return [head, Line(f"reasoning {self.glyphs.more}", "faint")]
        return [head, *self._text(live.text + self.glyphs.more, width)]

    def _text(self, text: str, width: int) -> list[Line]:
        return [Line(part) for part in wrapped(text if text.strip() else "(nothing)", width)]

    def _block(self, label: str, text: str, ink: str, width: int) -> list[Line]:
        return [Line(label, "faint"), *(Line(part, ink) for part in wrapped(text, width))]


def _two(left: Sequence[Line], right: Sequence[Line], column: int) -> list[Line]:
    lines = []
    for row in range(max(len(left), len(right))):
        line = left[row] if row < len(left) else Line()
        line.to(column + GAP)
        if row < len(right):
            line.spans += right[row].spans
        lines.append(line)
    return lines
