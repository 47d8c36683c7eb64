"""A panel of numbers of a run with their names, one per line, from `runs.status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.runs.status import Fact
    from tuiftune.tui.kit.glyphs import Glyphs

NAME = 14
ROOMY = 70  # cells: narrower panels have too little space for reasons
INKS = {"warning": "warning", "error": "error"}


class FactLines(Canvas):
    """Shows the facts of `groups`, each with its reason if there is space."""

    def __init__(self, *groups: str, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.groups = groups
        self._facts: list[Fact] = []

    def show(self, facts: list[Fact]) -> None:
        self._facts = [fact for fact in facts if fact.group in self.groups]
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if not self._facts:
            return [Line("no data yet", "faint")]
        beside = NAME if width >= ROOMY else min(NAME, max(len(fact.name) for fact in self._facts) + 2)
        plain = [[row(fact, width, self.glyphs, name_width=beside)] for fact in self._facts]
        for most in (None, 1) if width >= ROOMY else (None,):  # reasons in full, or a line of each
            parts = [wrapped(fact.why, width - beside, most, self.glyphs.more) for fact in self._facts]
            told = sum(map(len, parts)) + len(parts)
            if told <= height:
                return [
                    line
                    for head, reason in zip(plain, parts, strict=True)
                    for line in (*head, *(Line(" " * beside).add(part, "soft") for part in reason))
                ]
        return [line for head in plain for line in head]


def row(fact: Fact, width: int, glyphs: Glyphs, ink: str = "strong", name_width: int = NAME) -> Line:
    """Return a fact's name and value in `width` cells; warnings have a sign in addition to a color."""
    mark = f"{glyphs.warning} " if fact.level else ""
    name = wrapped(fact.name, name_width - 1, 1, glyphs.more)[0]
    value = wrapped(mark + fact.value, max(1, width - name_width), 1, glyphs.more)[0]
    return Line(name, "soft").to(name_width).add(value, INKS.get(fact.level, ink))
