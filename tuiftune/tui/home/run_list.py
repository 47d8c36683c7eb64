"""The runs, one a line: state, progress, what it brought. A view of summaries with a cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from tuiftune.figures import ago, percent, real
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.run_header import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from textual.events import Click, MouseScrollDown, MouseScrollUp

    from tuiftune.runs.state.summary import Summary
    from tuiftune.runs.store.directory import RunDir


# The first order is that of the runs as they are found: latest first.
ORDERS = ("latest", "name", "state", "score", "loss")
_KEYS: dict[str, Callable[[Summary], tuple[object, ...]]] = {
    "name": lambda row: (row.name.casefold(),),
    "state": lambda row: (row.status != "running", row.status),
    "score": lambda row: (row.match_after is None, -(row.match_after or 0.0)),
    "loss": lambda row: (row.loss_after is None, row.loss_after or 0.0),
}


def arranged(rows: Sequence[Summary], order: str, words: str = "") -> list[Summary]:
    """The runs that have all the words in their name, model, data, technique or state, in an order.

    Equal ones stay latest first; runs without a score or an evaluation loss come last.
    """
    wanted = words.casefold().split()
    kept = [row for row in rows if all(word in _text(row) for word in wanted)]
    return sorted(kept, key=_KEYS[order]) if order in _KEYS else kept


def _text(row: Summary) -> str:
    return " ".join((row.name, row.model, row.data, row.technique, row.status)).casefold()


SHORT = {
    "running": "running",
    "new": "not begun",
    "died": "died",
    "nan": "not a number",
    "diverged": "diverged",
    "oom": "GPU full",
}


class RunList(Canvas):
    can_focus = True

    class Moved(Message):
        """The cursor is on another run."""

        def __init__(self, summary: Summary | None) -> None:
            super().__init__()
            self.summary = summary

    class Chosen(Message):
        """A run was double-clicked."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._all: list[Summary] = []
        self._rows: list[Summary] = []
        self._marked: set[Path] = set()
        self._order = ORDERS[0]
        self._words = ""
        self._at = 0
        self._top = 0

    @property
    def current(self) -> Summary | None:
        """The run under the cursor."""
        return self._rows[self._at] if self._rows else None

    @property
    def marked(self) -> list[RunDir]:
        """The marked runs, latest first."""
        return [row.run for row in self._all if row.run.path in self._marked]

    @property
    def together(self) -> list[RunDir]:
        """The runs to look at together: those that are marked, with the one under the cursor if they are
        fewer than two."""
        runs = self.marked
        here = [self.current.run] if self.current is not None and len(runs) < 2 else []
        return [*runs, *(run for run in here if run not in runs)]

    @property
    def known(self) -> int:
        """How many runs there are, shown or not."""
        return len(self._all)

    def show(self, rows: list[Summary]) -> None:
        """Replace the list; the cursor stays on its run, marks on theirs."""
        self._all = rows
        self._marked &= {row.run.path for row in rows}
        self._arrange()

    def filter(self, words: str) -> None:
        """Show only the runs that have all of the words."""
        self._words = words
        self._arrange()

    def next_order(self) -> None:
        """Sort by the next of the orders."""
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self._arrange()

    def mark(self) -> None:
        """Mark the run under the cursor, or take its mark away, and go on to the next."""
        if self.current is not None:
            self._marked ^= {self.current.run.path}
            self.move(1)
            self._title()
            self.redraw()

    def _title(self) -> None:
        shown, there = len(self._rows), len(self._all)
        parts = [f"{shown} of {there} runs" if shown < there else "1 run" if there == 1 else f"{there} runs"]
        parts += [f"by {self._order}"] if self._order != ORDERS[0] else []
        parts += [f"{len(self._marked)} marked"] if self._marked else []
        self.entitle(", ".join(parts))

    def _arrange(self) -> None:
        here = self.current
        rows = self._rows = arranged(self._all, self._order, self._words)
        paths = [row.run.path for row in rows]
        if here is not None and here.run.path in paths:
            self._at = paths.index(here.run.path)
        self._at = max(0, min(self._at, len(rows) - 1))
        self._title()
        self.redraw()
        if self.current != here:
            self.post_message(self.Moved(self.current))

    def move(self, by: int) -> None:
        at = max(0, min(len(self._rows) - 1, self._at + by))
        if at != self._at and self._rows:
            self._at = at
            self.redraw()
            self.post_message(self.Moved(self.current))

    def paint(self, width: int, height: int) -> list[Line]:
        room = max(1, height - 1)
        self._top = max(0, min(self._top, self._at, len(self._rows) - room))
        if self._at >= self._top + room:
            self._top = self._at - room + 1
        if not self._rows:
            return [Line("no run has these words: Esc shows all of them" if self._all else "", "soft")]
        exact = width >= 95
        name = max(14, min(36, width - (73 if exact else 62)))
        head = Line("   " + "run".ljust(name) + " state          progress            ", "faint")
        head.add("loss".rjust(15), "faint")
        if exact:
            head.add("exact match".rjust(13), "faint")
        head.add("age".rjust(8), "faint")
        lines = [head]
        shown = enumerate(self._rows[self._top : self._top + room], self._top)
        return lines + [self._line(row, index == self._at, name, width) for index, row in shown]

    def _line(self, row: Summary, here: bool, name: int, width: int) -> Line:
        sign, ink, words = standing(self.glyphs, row.status)
        words = SHORT.get(row.status, words.split(",", maxsplit=1)[0])
        title = row.name if len(row.name) <= name else row.name[: name - 1] + self.glyphs.more[:1]
        line = Line(self.glyphs.pointer if here else " ", "accent")
        line.add(f"{self.glyphs.here if row.run.path in self._marked else ' '} ", "accent")
        line.add(title.ljust(name), "strong" if here else "").add(f" {sign} ", ink).add(words.ljust(12), ink)
        bar = "good" if row.status == "running" else "c0"
        share = row.progress if row.step else None
        line.bar(self.glyphs, share, 12, bar).add(f" {percent(share):>5} ", "soft")
        to = f" {self.glyphs.to} "
        if row.loss_after is not None:
            fell = row.loss_before is None or row.loss_after < row.loss_before
            losses = f"{real(row.loss_before, 3)}{to}{real(row.loss_after, 3)}"
            line.add(losses.rjust(15), "good" if fell else "warning")
        else:
            line.add(real(row.loss, 3).rjust(15), "soft")
        if width >= 95:
            exact = f"{percent(row.match_before)}{to}{percent(row.match_after)}"
            rose = (row.match_after or 0.0) >= (row.match_before or 0.0)
            line.add(("" if row.match_after is None else exact).rjust(13), "good" if rose else "warning")
        return line.add(ago(row.idle).rjust(8), "faint")

    def on_click(self, event: Click) -> None:
        at = self._top + event.y - 1
        if event.y >= 1 and at < len(self._rows):
            self.move(at - self._at)
            if event.chain == 2:
                self.post_message(self.Chosen())

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-1)
