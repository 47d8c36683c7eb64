"""A chart of curves over steps with its axes: a view of the layers it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.tui.widgets.canvas import Canvas, Line
from tuiftune.tui.widgets.plot import Layer, extent, finite, grid, label, steadied, ticks

if TYPE_CHECKING:
    from collections.abc import Sequence


class Chart(Canvas):
    """Curves with a scale on the left and the range of steps below. `show` replaces what is drawn."""

    def __init__(
        self,
        *,
        empty: str = "no points yet",
        id: str | None = None,  # noqa: A002 (Textual's name)
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._layers: tuple[Layer, ...] = ()
        self._empty = empty
        self._unit = "step"
        self._floor: float | None = None
        self._total: float | None = None

    def show(
        self,
        layers: Sequence[Layer],
        *,
        unit: str = "step",
        floor: float | None = None,
        total: float | None = None,
    ) -> None:
        """Draw these layers; `floor` is a y that the scale reaches down to at least, `total` the last x to
        come."""
        self._layers = tuple(layer for layer in map(finite, layers) if layer.xs)
        self._unit = unit
        self._floor = floor
        self._total = total
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        box = extent(self._layers)
        if box is None or height < 2 or width < 12:
            return [Line()] * max(0, (height - 1) // 2) + [
                Line().to(max(0, (width - len(self._empty)) // 2)).add(self._empty, "faint")
            ]
        x0, x1, y0, y1 = steadied(box, self._total)
        if self._floor is not None:
            y0 = min(y0, self._floor)
        rows = height - 1
        marks = ticks(y0, y1, max(1, min(rows // 2, 6)))
        step = marks[1] - marks[0] if len(marks) > 1 else None
        labels: dict[int, str] = {}
        for value in marks:
            row = round((y1 - value) / (y1 - y0) * (rows - 1))
            labels.setdefault(row, label(value, step))
        gutter = max((len(text) for text in labels.values()), default=1) + 1
        axis = "┤" if self.glyphs.braille else "+"
        wall = "│" if self.glyphs.braille else "|"
        lines = []
        for row, cells in enumerate(
            grid(self._layers, max(1, width - gutter - 1), rows, (x0, x1, y0, y1), self.glyphs)
        ):
            line = Line(labels.get(row, "").rjust(gutter - 1), "soft").add(" " if gutter else "")
            line.add(axis if row in labels else wall, "faint")
            for text, ink in _runs(cells):
                line.add(text, ink)
            lines.append(line)
        left, right = f"{label(x0, 1)}", f"{label(x1, 1)}"
        foot = Line().to(gutter + 1).add(left, "soft")
        middle = gutter + 1 + (width - gutter - 1 - len(self._unit)) // 2
        if middle > foot.width + 1 and middle + len(self._unit) + 1 < width - len(right):
            foot.to(middle).add(self._unit, "faint")
        lines.append(foot.right(right, "soft", width))
        return lines


def _runs(cells: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Neighbouring cells of one ink joined into one span."""
    runs: list[tuple[str, str]] = []
    for text, ink in cells:
        if runs and runs[-1][1] == ink:
            runs[-1] = (runs[-1][0] + text, ink)
        else:
            runs.append((text, ink))
    return runs
