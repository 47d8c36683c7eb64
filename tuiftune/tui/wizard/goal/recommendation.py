"""How the verdict was weighed: every contribution, where the guides disagree, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from tuiftune.advice.recommendation import TITLES
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
    """All of it, one below another."""

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
        lines += [Line(), Line("next", "title").add("  t begins here and now", "accent")]
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
                    f"the guides disagree on {dispute.topic}", "title"
                ),
            ]
            for guides, says, outcome in dispute.views:
                who = ", ".join(f"guide {guide}" for guide in guides)
                words = f"{who}: {says}; then the verdict is {TITLES[outcome].lower()}"
                lines += [Line("  ").add(part, "soft") for part in wrapped(words, width - 2)]
        lines += [Line(), Line("what moved it", "title")]
        for one in verdict.contributions:
            lines += self.contribution(one, width, "")
            if one.question in self._swings:
                other = TITLES[self._swings[one.question]].lower()
                lines.append(Line("    ").add(f"this one decides: without it, {other}", "accent"))
        return lines


class Weighing(Dialog[bool]):
    """Dismissed with True when one wants to begin what the verdict says."""

    SCOPES = (WEIGHING, READING)
    SCROLLS = "#help"

    def __init__(self, verdict: Verdict, swings: Mapping[str, str]) -> None:
        super().__init__()
        self._verdict, self._swings = verdict, swings

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as box:
            box.border_title = "How it was weighed"
            box.border_subtitle = "Esc closes"
            yield FullVerdict(self._verdict, self._swings)

    def action_begin(self) -> None:
        self.dismiss(True)

    def action_cancel(self) -> None:
        self.dismiss(False)
