"""The checkpoints on disk: step, age, size, verification, and which is the best."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuiftune.figures import ago, duration, real, size
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from tuiftune.runs.state.ahead import Next
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.store.checkpoints import Stored


class Saves(Canvas):
    """The checkpoints panel. `show` takes those found in the run's directory, newest first."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._state: RunState | None = None
        self._stored: tuple[Stored, ...] = ()
        self._next: Next | None = None

    def show(self, state: RunState, stored: tuple[Stored, ...], coming: Next | None) -> None:
        self._state, self._stored, self._next = state, stored, coming
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        state = self._state
        if state is None:
            return []
        lines = []
        if self._next is not None:
            when = "" if self._next.seconds is None else f" in {duration(self._next.seconds)}"
            needs = "" if self._next.bytes is None else f", needs {size(self._next.bytes)}"
            free = "" if state.host.disk_free is None else f", {size(state.host.disk_free)} free"
            words = f"step {self._next.step:,}{when}{needs}{free}"
            lines.append(Line("next  ", "soft").add(wrapped(words, width - 6, 1, self.glyphs.more)[0]))
        if not self._stored:
            lines.append(Line("No checkpoints yet", "faint"))
            return lines
        by = state.best_by.replace("_", " ")
        lines.append(Line(f"{'step':>8}  {'age':>6} {'size':>9}  {by or 'eval loss'}", "faint"))
        losses = {
            seen.step: seen.value if by else seen.loss for seen in state.evaluations if seen.when == "during"
        }
        best = state.best.step if state.best is not None else None
        for one in self._stored:
            age = ago(max(0.0, time.time() - one.t)) if one.t else self.glyphs.missing
            star = self.glyphs.best if one.step == best else ""
            line = Line(f"{one.step:>8,} ", "strong").add(star, "accent").to(10)
            line.add(f"{age:>6} {size(one.bytes):>9}  ", "strong")
            line.add(f"{real(losses.get(one.step)):<7} ", "soft")
            if one.fault:
                line.add(f"{self.glyphs.error} {one.fault}", "error")
            else:
                line.add(f"{self.glyphs.ok} verified", "good")
            lines.append(line)
        if any(one.step == best for one in self._stored):
            words = state.best_words
            best_words = f"best so far: {words}" if words else "lowest eval loss so far"
            lines.append(Line(f"{self.glyphs.best} {best_words}", "faint"))
        return lines
