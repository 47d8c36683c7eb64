"""The reasons for the recommendation: every weight, disagreeing sources, and next steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from tuiftune.advice.recommendation import TITLES
from tuiftune.sources import listed
from tuiftune.tui.keys.scopes import READING, WEIGHING
from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.screens import Dialog
from tuiftune.tui.kit.wrap import wrapped
from tuiftune.tui.wizard.goal.verdict_view import VerdictView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult

    from tuiftune.advice.approach import Verdict


class FullVerdict(VerdictView):
    """The whole recommendation with its reasons."""

    def __init__(self, verdict: Verdict, swings: Mapping[str, str]) -> None:
        super().__init__(full=True)
        self._verdict = verdict
        self._swings = swings

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        verdict = self._verdict
        assert verdict is not None
        lines = self.head(verdict, width)
        lines += [Line(), *(Line(part, "soft") for part in wrapped(verdict.summary, width))]
        lines += [Line(), Line("next steps", "title").add("  press t to start", "accent")]
        for step in verdict.steps:
            lines += [Line("  ").add(part) for part in wrapped(step.says, width - 2)]
            if step.command:
                lines.append(Line("    ").add(step.command, "c1"))
        for note in verdict.notes:
            lines += [Line("  ").add(part, "soft") for part in wrapped(note, width - 2)]
        for dispute in verdict.disagreements:
            lines += [
                Line(),
                Line(f"{self.glyphs.warning} ", "warning").add(
                    f"sources disagree on {dispute.topic}", "title"
                ),
            ]
            for names, says, outcome in dispute.views:
                words = f"{', '.join(names)}: {says}. By this source alone: {TITLES[outcome].lower()}"
                lines += [Line("  ").add(part, "soft") for part in wrapped(words, width - 2)]
        lines += [Line(), Line("reasons", "title")]
        for one in verdict.contributions:
            lines += self.contribution(one, width, "")
            if one.question in self._swings:
                other = TITLES[self._swings[one.question]].lower()
                lines.append(Line("    ").add(f"this answer decides; without it: {other}", "accent"))
        lines += [Line(), Line("sources", "title")]
        for source in listed(name for one in verdict.contributions for name in one.sources):
            lines += [Line("  ").add(part, "soft") for part in wrapped(source.full, width - 2)]
        return lines


class Weighing(Dialog[bool]):
    """The dialog with the reasons. Dismissed with True to start what is recommended."""

    SCOPES = (WEIGHING, READING)
    SCROLLS = "#help"

    def __init__(self, verdict: Verdict, swings: Mapping[str, str]) -> None:
        super().__init__()
        self._verdict, self._swings = verdict, swings

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "Reasons for the recommendation"
            box.border_subtitle = "Esc: close"
            yield FullVerdict(self._verdict, self._swings)

    def action_begin(self) -> None:
        self.dismiss(True)

    def action_cancel(self) -> None:
        self.dismiss(False)
