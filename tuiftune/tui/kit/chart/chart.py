"""A chart of curves with its axes, legend and cursor: a view of the layers it is given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.chart.axis import MARKERS, Scale
from tuiftune.tui.kit.chart.plot import Layer, clipped, extent, finite, grid, steadied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Offset

    from tuiftune.tui.kit.chart.curves import Drawing, Entry
    from tuiftune.tui.kit.chart.lens import Lens, Range
    from tuiftune.tui.kit.chart.plot import Cell

LEGEND_FROM = 7  # rows; a lower chart has its place for the curve alone
RULE_FROM = 11
UNITS = {"step": "step", "seconds": "time", "time": "time", "tokens": "tokens"}


class Chart(Canvas):
    """Curves with a scale on the left and round numbers below. `show` replaces what is drawn."""

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
        self._legend: tuple[Entry, ...] = ()
        self._window: Range | None = None
        self._cursor: float | None = None
        self._bounds: Range | None = None
        self._scale = Scale()
        self._across: tuple[int, int, float, float] | None = None  # first column, columns, x at both ends

    def show(
        self,
        layers: Sequence[Layer],
        *,
        unit: str = "step",
        floor: float | None = None,
        total: float | None = None,
        legend: Sequence[Entry] = (),
        window: Range | None = None,
        cursor: float | None = None,
        log: bool = False,
        bounds: Range | None = None,
        empty: str = "",
    ) -> None:
        """Draw these layers. `unit` is step, seconds, time or tokens; `floor` a y that the scale reaches down
        to at least; `total` the last x to come; `window` the part of x that is seen, None for all; `cursor`
        an x; `log` draws y by its logarithm; `bounds` fixes the range of y."""
        self._layers = tuple(layer for layer in map(finite, layers) if layer.xs)
        self._unit, self._floor, self._total = unit, floor, total
        self._legend, self._window, self._cursor = tuple(legend), window, cursor
        self._scale, self._bounds = Scale(log), bounds
        self._empty = empty or self._empty
        self.redraw()

    def show_drawing(
        self,
        drawn: Drawing,
        lens: Lens,
        *,
        floor: float | None = None,
        window: Range | None = None,
        cursor: float | None = None,
    ) -> None:
        """Draw a chart of the table of curves; `window` and `cursor` are in units of its own axis."""
        self.show(
            drawn.layers,
            unit=drawn.axis,
            floor=floor,
            total=drawn.total,
            legend=drawn.legend,
            window=window,
            cursor=cursor,
            log=lens.log and drawn.bounds is None,
            bounds=drawn.bounds,
            empty=drawn.empty,
        )

    @property
    def columns(self) -> int:
        """About how many cells the curve has across: what a step of the cursor is measured by."""
        return max(1, self.size.width - 7)

    def place_at(self, offset: Offset | None) -> float | None:
        """Return the x value at a position of the widget; None outside of the curves."""
        if offset is None or self._across is None:
            return None
        start, across, x0, x1 = self._across
        column = offset.x - start
        return x0 + (x1 - x0) * column / max(1, across - 1) if 0 <= column < across else None

    def paint(self, width: int, height: int) -> list[Line]:
        seen = [*self._placed()]
        curves = [layer for layer in seen if layer.kind != "level"]
        if not curves or height < 2 or width < 12:
            return self._nothing(width, height)
        lines = [self._legend_line(width)] if self._legend and height >= LEGEND_FROM else []
        ruled = height >= RULE_FROM
        rows = height - len(lines) - 1 - ruled
        x0, x1, y0, y1 = self._box(seen)
        labels = self._labels(y0, y1, rows)
        gutter = max((len(text) for text in labels.values()), default=1) + 1
        across = max(1, width - gutter - 1)
        self._across = (gutter + 1, across, x0, x1)
        marks = MARKERS[UNITS[self._unit]](x0, x1, max(2, across // 10))
        places = [(round((x - x0) / (x1 - x0) * (across - 1)), text) for x, text in marks]
        cells = grid(seen, across, rows, (x0, x1, y0, y1), self.glyphs)
        self._guides(cells, labels, across)
        cursor = self._cursor_cell(cells, x0, x1, across)
        wall, axis = ("│", "┤") if self.glyphs.braille else ("|", "+")
        for row, line_cells in enumerate(cells):
            line = Line(labels.get(row, "").rjust(gutter - 1), "soft").add(" ")
            line.add(axis if row in labels else wall, "faint")
            for text, ink in _runs(line_cells):
                line.add(text, ink)
            lines.append(line)
        if ruled:
            lines.append(self._rule(gutter, across, {place for place, _ in places}, cursor))
        lines.append(self._foot(gutter, width, places))
        return lines

    def _placed(self) -> list[Layer]:
        """The layers within the window, on the scale of y."""
        found = []
        for layer in self._layers:
            part = clipped(layer, *self._window) if self._window else layer
            if self._scale.log:
                kept = [
                    (x, place)
                    for x, y in zip(part.xs, part.ys, strict=True)
                    if (place := self._scale.place(y)) is not None
                ]
                part = replace(part, xs=[x for x, _ in kept], ys=[y for _, y in kept])
            if part.xs:
                found.append(part)
        return found

    def _box(self, seen: Sequence[Layer]) -> tuple[float, float, float, float]:
        box = extent(seen)
        assert box is not None
        x0, x1, y0, y1 = steadied(box, self._total)
        if self._window:
            x0, x1 = self._window
        if self._floor is not None and not self._scale.log and not self._window:
            y0 = min(y0, self._floor)
        if self._bounds is not None:
            y0, y1 = self._bounds
        return x0, x1, y0, y1

    def _labels(self, y0: float, y1: float, rows: int) -> dict[int, str]:
        found: dict[int, str] = {}
        for place, text in self._scale.marks(y0, y1, max(1, min(rows // 2, 6)), rows):
            row = round((y1 - place) / (y1 - y0) * (rows * 4 - 1)) // 4
            if 0 <= row < rows:
                found.setdefault(row, text)
        return found

    def _guides(self, cells: list[list[Cell]], labels: dict[int, str], across: int) -> None:
        for row in labels:
            for column in range(3, across, 4):
                if cells[row][column][0] == " ":
                    cells[row][column] = (self.glyphs.guide, "guide")

    def _cursor_cell(self, cells: list[list[Cell]], x0: float, x1: float, across: int) -> int | None:
        if self._cursor is None or not x0 <= self._cursor <= x1:
            return None
        column = round((self._cursor - x0) / (x1 - x0) * (across - 1))
        for row in cells:
            text, ink = row[column]
            row[column] = (self.glyphs.upright, "accent") if ink in ("", "guide") else (text, "cursor")
        return column

    def _rule(self, gutter: int, across: int, places: set[int], cursor: int | None) -> Line:
        corner, flat, tick, here = ("└", "─", "┴", "▲") if self.glyphs.braille else ("+", "-", "+", "^")
        line = Line().to(gutter).add(corner, "faint")
        for text, ink in _runs(
            [
                (here, "accent") if column == cursor else (tick if column in places else flat, "faint")
                for column in range(across)
            ]
        ):
            line.add(text, ink)
        return line

    def _foot(self, gutter: int, width: int, places: Sequence[tuple[int, str]]) -> Line:
        """The numbers below, each under its place, as many as fit; then what they count."""
        unit = UNITS[self._unit]
        foot = Line()
        room = width - len(unit) - 1
        for place, text in places:
            start = gutter + 1 + place - (len(text) // 2 if place else 0)
            start = min(start, width - len(text))
            if start > foot.width + (1 if foot.width else -1) and (
                start + len(text) <= room or not self._roomy(places, width)
            ):
                foot.to(start).add(text, "soft")
        return foot.right(unit, "faint", width)

    @staticmethod
    def _roomy(places: Sequence[tuple[int, str]], width: int) -> bool:
        return len(places) > 2 or width > 60

    def _legend_line(self, width: int) -> Line:
        """Sign, words and value of each curve. Where there is no room for all the words give way, then where
        the best was, then the last entries, whose number is said."""
        line = Line()
        for brevity in range(3):
            line = Line()
            for at, (sign, words, value, ink) in enumerate(self._legend):
                short = value.partition(" at ")[0] if brevity == 2 else value
                told = " ".join(
                    part for part in ((words, value) if not brevity or not value else (short,)) if part
                )
                room = width - line.width - len(sign) - len(told) - 3
                left = len(self._legend) - at
                if brevity == 2 and room < (5 if left > 1 else 0):  # as long as what says how many
                    line.add(f"  +{left}", "faint")
                    break
                line.add("  " if line.width else " ").add(f"{sign} ", ink).add(told, "soft")
            if line.width <= width:
                break
        return line

    def _nothing(self, width: int, height: int) -> list[Line]:
        words = self._empty if not self._window or not self._layers else "nothing was measured in this part"
        return [Line()] * max(0, (height - 1) // 2) + [
            Line().to(max(0, (width - len(words)) // 2)).add(words, "faint")
        ]


def _runs(cells: list[Cell]) -> list[Cell]:
    """Neighboring cells of one ink joined into one span."""
    runs: list[Cell] = []
    for text, ink in cells:
        if runs and runs[-1][1] == ink:
            runs[-1] = (runs[-1][0] + text, ink)
        else:
            runs.append((text, ink))
    return runs
