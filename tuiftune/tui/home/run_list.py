"""The list of runs: state, progress and scores, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import ago, percent, real
from tuiftune.runs.state.summary import Summary
from tuiftune.tui.kit.canvas import Line
from tuiftune.tui.kit.cursor_list import CursorList
from tuiftune.tui.kit.run_header import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir


# The first order is that in which runs are found: newest first.
ORDERS = ("latest", "name", "state", "score", "loss")
_KEYS: dict[str, Callable[[Summary], tuple[object, ...]]] = {
    "name": lambda row: (row.name.casefold(),),
    "state": lambda row: (row.status != "running", row.status),
    "score": lambda row: (row.match_after is None, -(row.match_after or 0.0)),
    "loss": lambda row: (row.loss_after is None, row.loss_after or 0.0),
}


def ordered(rows: list[Summary], order: str) -> list[Summary]:
    """Return the rows sorted; equal ones stay newest first, those without a score or eval loss come last."""
    return sorted(rows, key=_KEYS[order]) if order in _KEYS else rows


EXACT_FROM = 95  # cells from which exact match has a column
SHORT = {
    "running": "running",
    "new": "not started",
    "queued": "queued",
    "died": "crashed",
    "nan": "NaN loss",
    "diverged": "diverged",
    "oom": "out of mem.",
}


class RunList(CursorList[Summary]):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._marked: set[Path] = set()
        self._order = ORDERS[0]

    @property
    def marked(self) -> list[RunDir]:
        """The selected runs, newest first."""
        return [row.run for row in self.all if row.run.path in self._marked]

    @property
    def together(self) -> list[RunDir]:
        """The runs to compare or chart: the selected ones; if fewer than two, also the one at the cursor."""
        runs = self.marked
        here = [self.current.run] if self.current is not None and len(runs) < 2 else []
        return [*runs, *(run for run in here if run not in runs)]

    def key(self, row: Summary) -> Path:
        return row.run.path

    def text(self, row: Summary) -> str:
        return " ".join((row.name, row.model, row.data, row.technique, row.status))

    def arranged(self, rows: list[Summary]) -> list[Summary]:
        return ordered(rows, self._order)

    def rearrange(self, chosen: Hashable = None) -> None:
        self._marked &= {row.run.path for row in self.all}
        super().rearrange(chosen)
        self._title()

    def next_order(self) -> None:
        """Sort by the next order."""
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self.rearrange()

    def mark(self) -> None:
        """Select or deselect the run under the cursor, and move to the next."""
        if self.current is not None:
            self._marked ^= {self.current.run.path}
            self.move(1)
            self._title()
            self.redraw()

    def _title(self) -> None:
        shown, there = len(self.rows), len(self.all)
        parts = [f"{shown} of {there} runs" if shown < there else "1 run" if there == 1 else f"{there} runs"]
        parts += [f"by {self._order}"] if self._order != ORDERS[0] else []
        parts += [f"{len(self._marked)} selected"] if self._marked else []
        self.entitle(", ".join(parts))

    def empty(self, width: int) -> list[Line]:
        del width
        return [Line("No run matches. Press Esc to show all runs." if self.all else "", "soft")]

    def head(self, width: int) -> list[Line]:
        progress = "progress".ljust(_bar_width(width) + 8)
        head = Line("   " + "run".ljust(_name_width(width)) + f" state          {progress}", "faint")
        head.add("loss".rjust(15), "faint")
        if width >= EXACT_FROM:
            head.add("exact match".rjust(13), "faint")
        return [head.add("age".rjust(8), "faint")]

    def line(self, row: Summary, here: bool, width: int) -> Line:
        name = _name_width(width)
        sign, ink, words = standing(self.glyphs, row.status)
        words = SHORT.get(row.status, words.split(",", maxsplit=1)[0])
        title = row.name if len(row.name) <= name else row.name[: name - 1] + self.glyphs.more[:1]
        line = Line(self.glyphs.pointer if here else " ", "accent")
        line.add(f"{self.glyphs.here if row.run.path in self._marked else ' '} ", "accent")
        line.add(title.ljust(name), "strong" if here else "").add(f" {sign} ", ink).add(words.ljust(12), ink)
        bar = "good" if row.status == "running" else "c0"
        share = row.progress if row.step else None
        line.bar(self.glyphs, share, _bar_width(width), bar).add(f" {percent(share):>5} ", "soft")
        to = f" {self.glyphs.to} "
        if row.loss_after is not None:
            fell = row.loss_before is None or row.loss_after < row.loss_before
            losses = f"{real(row.loss_before, 3)}{to}{real(row.loss_after, 3)}"
            line.add(losses.rjust(15), "good" if fell else "warning")
        else:
            line.add(real(row.loss, 3).rjust(15), "soft")
        if width >= EXACT_FROM:
            exact = f"{percent(row.match_before)}{to}{percent(row.match_after)}"
            rose = (row.match_after or 0.0) >= (row.match_before or 0.0)
            line.add(("" if row.match_after is None else exact).rjust(13), "good" if rose else "warning")
        return line.add(ago(row.idle).rjust(8), "faint")


def _bar_width(width: int) -> int:
    return 12 if width >= EXACT_FROM else 4  # narrow: the name of a run says more


def _name_width(width: int) -> int:
    return max(14, min(36, width - (61 if width >= EXACT_FROM else 50) - _bar_width(width)))
