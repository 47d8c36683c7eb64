"""The table of a comparison: a column per run, the best of a row marked by sign and color."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.chart.curves import RUN_INKS, RUN_SIGNS
from tuiftune.tui.kit.wrap import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.runs.reports.compare_table import Row

LABEL = 24


class SideBySide(Canvas):
    """A table of text rows, or a message while there are none."""

    def __init__(self) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._below: tuple[str, ...] = ()
        self._waiting = "reading the runs …"

    def show(self, names: Sequence[str], rows: Sequence[Row], below: Sequence[str]) -> None:
        """Show `rows` with a cell for each of `names` (none for a heading), and sentences `below`."""
        self._names, self._rows, self._below = tuple(names), tuple(rows), tuple(below)
        self.refresh(layout=True)

    def tell(self, waiting: str) -> None:
        """Show a message instead of the table."""
        self._waiting = waiting
        self.refresh(layout=True)

    def paint(self, width: int, height: int) -> list[Line]:
        del height
        if not self._names:
            return [Line(), *[Line(f" {part}", "soft") for part in wrapped(self._waiting, width - 2)]]
        label = min(LABEL, max(16, width // (len(self._names) + 1)))
        column = max(8, (width - label - 1) // len(self._names))
        head = Line().to(label)
        for at, name in enumerate(self._names):
            head.to(label + at * column).add(
                f"{RUN_SIGNS[at % len(RUN_SIGNS)]} ", RUN_INKS[at % len(RUN_INKS)]
            )
            head.add(_short(name, column - 4, self.glyphs.more), "title")
        lines = [head]
        for row in self._rows:
            if not row.cells:
                lines += [Line(), Line(row.label, "accent")]
            else:
                lines += self._cells(row, label, column)
        lines.append(Line())
        for sentence in self._below:
            lines += [Line(part, "soft") for part in wrapped(sentence, width)]
        return lines

    def _cells(self, row: Row, label: int, column: int) -> list[Line]:
        texts = [
            wrapped(cell + (f" {self.glyphs.best}" if at == row.best else ""), column - 2)
            for at, cell in enumerate(row.cells)
        ]
        lines = []
        for parts in zip_longest(_broken(row.label, label - 1), *texts, fillvalue=""):
            line = Line(str(parts[0]), "soft")
            for at, part in enumerate(parts[1:]):
                ink = "good" if at == row.best else "faint" if part == "—" else ""
                line.to(label + at * column).add(str(part), ink)
            lines.append(line)
        return lines


def _broken(label: str, width: int) -> list[str]:
    """Return a label on as many lines as needed; a setting is broken after its section."""
    if len(label) > width and "." in label:
        section, _, name = label.partition(".")
        return [f"{section}.", *(f" {part}" for part in wrapped(name, width - 1))]
    return wrapped(label, width)


def _short(name: str, width: int, more: str) -> str:
    return name if len(name) <= width else name[: max(1, width - len(more))] + more
