"""The top line of the wizard: which steps there are, which are behind, and where one is."""

from __future__ import annotations

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.wizard.steps import STEPS

TITLES = {**{step.key: step.title for step in STEPS}, "run": "Dashboard"}
SHORT = {**TITLES, "model": "Model", "run": "Run"}


class Stepper(Canvas):
    """`✓ Machine ── ● Goal ── ○ Data …`: done, here, ahead by sign as well as by colour."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        keys = list(TITLES)
        at = keys.index(self._here)
        titles = list(TITLES.values())
        if sum(len(title) + 7 for title in titles) > width:
            titles = list(SHORT.values())
        fixed = 1 + sum(len(title) + 2 for title in titles)
        rule = max(1, min(8, (width - fixed) // (len(keys) - 1) - 2))
        glyphs = self.glyphs
        line = Line(" ")
        for index, title in enumerate(titles):
            if index:
                line.add(f" {glyphs.rule * rule} ", "good" if index <= at else "faint")
            if index < at:
                line.add(f"{glyphs.done} ", "good").add(title, "soft")
            elif index == at:
                line.add(f"{glyphs.here} ", "accent").add(title, "title")
            else:
                line.add(f"{glyphs.ahead} {title}", "faint")
        return [line]
