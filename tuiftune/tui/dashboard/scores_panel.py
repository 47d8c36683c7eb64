"""Scores before and after training: eval loss, perplexity and exact match; and the last checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import duration, percent, real, size
from tuiftune.tui.kit.canvas import Canvas, Line

if TYPE_CHECKING:
    from tuiftune.runs.state.run_state import RunState

LABEL = 12
COLUMN = 8


class Scores(Canvas):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._state: RunState | None = None
        self._compares = True

    def show(self, state: RunState, *, compares: bool = True) -> None:
        """`compares`: the run compares generated answers with reference answers."""
        self._state, self._compares = state, compares
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        state = self._state
        if state is None:
            return []
        before, after = state.eval_before, state.eval_after
        was, now = state.score_before, state.score_after
        lines = [
            Line(" " * LABEL).add("before".rjust(COLUMN), "faint").add("after".rjust(COLUMN + 3), "faint"),
            self._row("eval loss", before and before.loss, after and after.loss, real, lower=True),
        ]
        for name, first, second, write in (
            ("perplexity", before and before.perplexity, after and after.perplexity, real),
            ("exact match", was and was.exact_match, now and now.exact_match, percent),
        ):
            if self._compares or first is not None or second is not None:
                lines.append(self._row(name, first, second, write, lower=write is real))
        if state.checkpoints:
            last = state.checkpoints[-1]
            line = Line("checkpoint".ljust(LABEL), "soft").add(f"step {last.step:,}", "strong")
            detail = size(last.bytes) if last.bytes is not None else ""
            if last.seconds is not None and width >= 44:
                detail += f" in {duration(last.seconds)}"
            lines.append(line.add(f"  {detail}", "soft"))
        else:
            lines.append(Line("checkpoint".ljust(LABEL), "soft").add("none yet", "faint"))
        return lines[:height] if height else lines

    def _row(self, name: str, before: object, after: object, write: object, *, lower: bool) -> Line:
        line = Line(name.ljust(LABEL), "soft")
        first = before if isinstance(before, float) else None
        second = after if isinstance(after, float) else None
        assert callable(write)
        line.add(str(write(first)).rjust(COLUMN), "strong").add(f" {self.glyphs.to} ".ljust(3), "faint")
        ink = "faint"
        if first is not None and second is not None:
            better = second < first if lower else second > first
            ink = "good" if better else "soft" if second == first else "warning"
        return line.add(str(write(second)).rjust(COLUMN), ink)
