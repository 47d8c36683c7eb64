"""Scores per label before and after training, and the confusion matrix of the fine-tuned model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll

from tuiftune.data.excerpt import excerpt
from tuiftune.data.labels import as_label
from tuiftune.evaluate import labels
from tuiftune.evaluate.scorers.base import Pair
from tuiftune.figures import MISSING, plural
from tuiftune.tui import STYLES
from tuiftune.tui.keys.scopes import LABELS
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.headings import TitleBar
from tuiftune.tui.kit.key_bar import KeyBar
from tuiftune.tui.kit.screens import FullScreen
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tuiftune.evaluate.labels import Labels
    from tuiftune.runs.store.result_rows import ResultRow

CELL = 6  # columns of a cell of the matrix
MISTAKES = 8


def scores(rows: Sequence[ResultRow], *, after: bool) -> Labels | None:
    """Return the scores per label of one side; None if it has no answers."""
    pairs = [
        Pair(answer, row.reference, row.prompt, row.row)
        for row in rows
        if (answer := row.after if after else row.before) is not None
    ]
    return labels.of(pairs) if pairs else None


def alike(rows: Sequence[ResultRow]) -> int:
    """Return how many answers are their label but for case or punctuation: right here, no exact match."""
    return sum(
        row.after is not None and not row.right_after and as_label(row.after) == as_label(row.reference)
        for row in rows
    )


class LabelTable(Canvas):
    """Precision, recall and F1 per label, frequent mistakes, and the confusion matrix."""

    def __init__(self, before: Labels | None, after: Labels, only_alike: int = 0) -> None:
        super().__init__()
        self._before, self._after, self._only_alike = before, after, only_alike

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        name = min(28, max(12, width - 58))
        lines = [Line(), Line("scores per label", "title")]
        head = (
            "label".ljust(name) + "rows".rjust(6) + "precision".rjust(12) + "recall".rjust(9) + "F1".rjust(8)
        )
        lines.append(Line(head + "F1 before".rjust(12), "faint"))
        was = {} if self._before is None else {one.label: one.f1 for one in self._before.labels}
        for one in self._after.labels:
            line = Line(excerpt(one.label, name - 1)).to(name).add(f"{one.rows:>6}", "soft")
            line.add(_share(one.precision).rjust(12)).add(_share(one.recall).rjust(9))
            better = (one.f1 or 0.0) >= (was.get(one.label) or 0.0)
            line.add(_share(one.f1).rjust(8), "good" if better else "warning")
            lines.append(line.add(_share(was.get(one.label)).rjust(12), "soft"))
        if self._only_alike:
            words = (
                f"{plural(self._only_alike, 'answer')} differ from the label only in case or punctuation: "
                "right here, but no exact match. Merge such labels in the data (Clean, similar labels)."
            )
            lines += [Line(), *(Line(part, "warning") for part in wrapped(words, width))]
        mistakes = self._after.confused(MISTAKES)
        lines += [Line(), Line("most frequent mistakes", "title")]
        lines += [
            Line(f"{rows:>5} ", "warning").add(f"{excerpt(wanted, 30)} {self.glyphs.to} {excerpt(given, 30)}")
            for wanted, given, rows in mistakes
        ] or [Line(f"{self.glyphs.ok} none", "good")]
        return [*lines, Line(), *self._matrix(width)]

    def _matrix(self, width: int) -> list[Line]:
        """Return the confusion matrix, with as many labels as fit; columns by the number of their label."""
        name = 20
        most = max(1, min(len(self._after.labels), (width - name - CELL - 4) // CELL))
        lines = [Line("confusion matrix: reference (row), answer (column)", "title")]
        head = Line().to(name + 4)
        for number in range(1, most + 1):
            head.add(str(number).rjust(CELL), "soft")
        lines.append(head.add("other".rjust(CELL), "soft"))
        for at, one in enumerate(self._after.labels[:most]):
            counts = self._after.matrix[at]
            line = Line(f"{at + 1:>3} ", "soft").add(excerpt(one.label, name - 1)).to(name + 4)
            for column, number in enumerate((*counts[:most], sum(counts[most:]))):
                ink = "good" if column == at else "warning" if number else "faint"
                line.add((str(number) if number else self.glyphs.dot).rjust(CELL), ink)
            lines.append(line)
        hidden = len(self._after.labels) - most
        if hidden:
            lines.append(Line(f"{plural(hidden, 'more label')} in `tuiftune evaluate --json`", "faint"))
        return lines


class LabelScores(FullScreen[None]):
    CSS_PATH = f"{STYLES}/dashboard.tcss"
    SCOPES = (LABELS,)
    SCROLLS = "#result"

    def __init__(self, name: str, rows: Sequence[ResultRow]) -> None:
        super().__init__()
        self._run_name = name
        self._before, self._after = scores(rows, after=False), scores(rows, after=True)
        self._only_alike = alike(rows)

    def compose(self) -> ComposeResult:
        yield TitleBar(f"{self._run_name}: labels")
        with VerticalScroll(id="result"):
            if self._after is not None:
                yield LabelTable(self._before, self._after, self._only_alike)
        yield KeyBar(LABELS)

    def on_mount(self) -> None:
        self.query_one("#result").focus()


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"
