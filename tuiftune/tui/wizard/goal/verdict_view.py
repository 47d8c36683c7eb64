"""The recommendation so far: three bars, the answers that changed them, and disagreeing sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.advice.approach import Contribution, Verdict

NAMES = {"prompt": "prompting", "rag": "retrieval", "fine-tune": "fine-tuning"}
ROOMY = 30  # lines from which each reason is shown in full
INKS = {"prompt": "c2", "rag": "c1", "fine-tune": "c3"}


class VerdictView(Canvas):
    def __init__(self, *, classes: str | None = None, full: bool = False) -> None:
        super().__init__(id="verdict", classes=classes)
        self._verdict: Verdict | None = None
        self._question = ""
        self._full = full
        self._roomy = full

    def show(self, verdict: Verdict, question: str = "") -> None:
        """Show a recommendation. The effect of the current `question` comes first."""
        self._verdict, self._question = verdict, question
        self.entitle("recommendation so far" if not self._full else "reasons")
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        verdict = self._verdict
        if verdict is None:
            return []
        self._roomy = self._full or height >= ROOMY
        lines = self.head(verdict, width)
        first = [one for one in verdict.contributions if one.question == self._question]
        rest = [one for one in verdict.contributions if one.question != self._question]
        for one in (*first, *reversed(rest)):
            lines += self.contribution(one, width, "strong" if one in first else "")
        for dispute in verdict.disagreements:
            if not dispute.matters:
                continue
            words = f"Sources disagree on {dispute.topic}, so this recommendation is uncertain."
            parts = wrapped(words, width - 2, 2, self.glyphs.more)
            lines[4:4] = [
                Line("  " if row else f"{self.glyphs.warning} ", "warning").add(part, "warning")
                for row, part in enumerate(parts)
            ]
        return lines if self._full else lines[:height]

    def head(self, verdict: Verdict, width: int) -> list[Line]:
        """Return the recommendation's title, then one bar for each approach."""
        title = Line(verdict.title, "title")
        if verdict.answered:
            title.add(f"  {verdict.confidence}", "good" if verdict.confidence == "clear" else "warning")
        else:
            title = Line("No answers yet", "title").add("  start with prompting", "soft")
        lines = [title]
        most = max(3.0, *(abs(score) for score in verdict.scores.values()))
        for name, score in sorted(verdict.scores.items(), key=lambda item: -item[1]):
            chosen = name in verdict.approach.split("+")
            line = Line(f"{self.glyphs.pointer if chosen else ' '} ", "accent")
            line.add(NAMES[name].ljust(12), "strong" if chosen else "soft")
            line.bar(self.glyphs, max(0.0, score) / most, max(8, min(40, width - 22)), INKS[name])
            lines.append(line.add(f" {score:+5.1f}", "strong" if chosen else "soft"))
        return lines

    def contribution(self, one: Contribution, width: int, ink: str) -> list[Line]:
        """Return how much one answer changed each approach, why, and by which source."""
        moved = [
            f"{points:+g} {NAMES[name]}"
            for name, points in sorted(one.points.items(), key=lambda item: -abs(item[1]))
        ]
        line = Line("  ")
        for index, text in enumerate(moved):
            line.add(("  " if index else "") + text, "good" if text.startswith("+") else "warning")
        says = f"{one.says} [{', '.join(one.sources)}]"
        if self._roomy:
            reason = [Line("    ").add(part, ink or "soft") for part in wrapped(says, width - 4)]
            answer = (
                [Line(f"  {one.answer}", "strong")] if one.answer else [Line("  always counted", "strong")]
            )
            return [Line(), *answer, line, *reason]
        room = width - line.width - 2
        if room < 24:
            return [line, *(Line("    ").add(part, ink or "soft") for part in wrapped(says, width - 4, 1))]
        return [line.add("  ").add(wrapped(says, room, 1)[0], ink or "soft")]
