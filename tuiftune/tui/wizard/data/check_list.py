"""The checks of a dataset as they finish: worst first, each with a sign, a count and its fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import percent
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.data.checks.check import Check

ORDER = ("error", "warning", "info", "ok")
INKS = {"error": "error", "warning": "warning", "info": "second", "ok": "good"}


class CheckList(Canvas):
    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(id="checks", classes=classes)
        self._checks: list[Check] = []
        self._doing, self._share = "", 0.0

    @property
    def worst(self) -> str:
        """The worst severity so far; "" before the first result."""
        found = {check.severity for check in self._checks}
        return next((severity for severity in ORDER if severity in found), "")

    def clear(self) -> None:
        self._checks, self._doing, self._share = [], "", 0.0
        self.redraw()

    def doing(self, what: str, share: float = 0.0) -> None:
        """Show the current check and the share of all that is done; "" when all are done."""
        self._doing, self._share = what, share
        self.redraw()

    def add(self, check: Check) -> None:
        self._checks.append(check)
        self.redraw()

    @property
    def checks(self) -> list[Check]:
        """All results, worst first."""
        return sorted(self._checks, key=lambda check: (ORDER.index(check.severity), -check.count))

    def paint(self, width: int, height: int) -> list[Line]:
        if not self._checks and not self._doing:
            return [Line("checks start when the data is read", "faint")]
        lines: list[Line] = []
        shown = [check for check in self.checks if check.severity != "ok"]
        ends = set()  # where a check's lines end
        for check in shown:
            lines += self._lines(check, width)
            ends.add(len(lines))
        passed = [check.title for check in self._checks if check.severity == "ok"]
        tail: list[Line] = []
        if passed:
            room = max(3, height - len(lines) - bool(self._doing))
            parts = wrapped("passed: " + ", ".join(passed), width - 2, room, self.glyphs.more)
            tail = [
                Line("  " if row else f"{self.glyphs.ok} ", "good").add(part, "soft")
                for row, part in enumerate(parts)
            ]
        if self._doing:
            done = f"  {percent(self._share)}" if self._share else ""
            tail.append(Line(f"{self.glyphs.waiting} {self._doing} {self.glyphs.more}{done}", "second"))
        room = height - len(tail)
        if len(lines) > room:
            whole = max((end for end in ends if end < room), default=0)  # show only whole entries
            lines = [*lines[:whole], Line("  Ctrl+G shows all checks", "faint")]
        return lines + tail

    def _lines(self, check: Check, width: int) -> list[Line]:
        ink = INKS[check.severity]
        words = f"{check.title}" + (f": {check.count:,}" if check.count else "")
        first = wrapped(words, width - 2, 2, self.glyphs.more)
        lines = [
            Line("  " if row else f"{self.glyphs.severity(check.severity)} ", ink).add(part, ink)
            for row, part in enumerate(first)
        ]
        if check.remedy and check.severity in {"error", "warning"}:
            remedy = wrapped(check.remedy, width - 4, 2, self.glyphs.more)
            lines += [
                Line("    " if row else f"  {self.glyphs.to[:1]} ", "accent").add(part, "soft")
                for row, part in enumerate(remedy)
            ]
        return lines
