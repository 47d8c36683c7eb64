"""One question with its answers, and the progress through all questions. The answers are in the draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.advice.questions import NOT_SURE
from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.events import Click

    from tuiftune.advice.questions import Question


def _said(question: Question, key: str | None) -> str:
    return next((option.says for option in question.options if option.key == key), "")


class QuestionView(CursorList[str]):
    """The list of answers: the first row skips the question, the others are its numbered options."""

    WRAPS = True

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="question-view", classes=classes)
        self._question: Question | None = None
        self._number = (0, 0)
        self._marks: tuple[bool, ...] = ()
        self._all: tuple[tuple[str, str], ...] = ()
        self._answer: str | None = None
        self._from_data = False

    def ask(
        self,
        question: Question,
        at: int,
        questions: tuple[Question, ...],
        answers: Mapping[str, str],
        detected: Mapping[str, str],
    ) -> None:
        """Show a question; the cursor goes to its answer, or to the skip."""
        fresh = question is not self._question
        inferred = answers.get(question.key)
        came = inferred not in (None, self._answer) and inferred == detected.get(question.key)
        self._question, self._number = question, (at, len(questions))
        self.rows = (NOT_SURE, *(option.says for option in question.options))
        self._marks = tuple(known.key in answers for known in questions)
        self._all = tuple((known.asks, _said(known, answers.get(known.key))) for known in questions)
        self._answer = answers.get(question.key)
        self._from_data = detected.get(question.key) == self._answer and self._answer is not None
        if fresh or (came and self.at == 0):  # Enter must keep this answer, not replace it by the skip
            keys = [option.key for option in question.options]
            self.at = keys.index(self._answer) + 1 if self._answer in keys else 0
        self.redraw()

    @property
    def chosen(self) -> str | None:
        """The option under the cursor; None to skip."""
        if self._question is None or self.at == 0:
            return None
        return self._question.options[self.at - 1].key

    def paint(self, width: int, height: int) -> list[Line]:
        question, glyphs = self._question, self.glyphs
        if question is None:
            return []
        number, total = self._number
        line = Line(f"{number + 1} of {total} ", "soft")
        for index, answered in enumerate(self._marks):
            mark = glyphs.here if index == number else glyphs.done if answered else glyphs.ahead
            line.add(f" {mark}", "accent" if index == number else "good" if answered else "faint")
        roomy = height >= len(question.options) + 6
        lines = [line, *([Line()] if roomy else [])]
        lines += [Line(part, "title") for part in wrapped(question.asks, width)]
        lines += [Line(part, "soft") for part in wrapped(question.why, width, 2)]
        lines += [Line()] if roomy else []
        self.places = [None] * len(lines)
        for index, says in enumerate(self.rows):
            here = index == self.at
            key = None if index == 0 else question.options[index - 1].key
            kept = key is not None and key == self._answer
            row = Line(f"{glyphs.pointer if here else ' '} ", "accent").add(f"{index} ", "key")
            row.add(f"{glyphs.done if kept else ' '} ", "good")
            row.add(says, "strong" if here else "faint" if index == 0 else "")
            if kept and self._from_data:
                row.add("  (your data)", "second")
            self.places.append(index)
            lines.append(row)
        if height >= len(lines) + 8:
            lines += [Line(), *(Line(part, "soft") for part in wrapped(question.deeper, min(width, 90)))]
        if height >= len(lines) + 3 * len(self._all) + 3:
            lines += [Line(), Line("all questions", "title")]
            for index, (asks, said) in enumerate(self._all):
                here = index == number
                lines.append(Line(f"  {glyphs.here if here else ' '} ", "accent").add(asks, "soft"))
                lines.append(Line("      ").add(said or glyphs.missing, "good" if said else "faint"))
        return lines

    def chosen_by(self, event: Click, again: bool) -> bool:
        del event, again
        return True
