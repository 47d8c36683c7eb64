"""Draw curves into a grid of cells: braille dots (2 × 4 a cell), or plain ASCII. Pure functions, no widget.

A curve is reduced to at most two columns of dots a cell before anything is drawn, so cost goes with the width
and not with the number of points.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiftune.tui.kit.glyphs import Glyphs

Cell = tuple[str, str]  # character, ink
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # braille bit by row and column


@dataclass(frozen=True, slots=True)
class Layer:
    """Points in order of x. `line` joins bucket means and goes out to their extremes, `course` only joins the
    means, `dots` shows the extremes, `marks` one sign each, `level` a dashed line at each y. `tag` is a sign
    on a line."""

    xs: Sequence[float]
    ys: Sequence[float]
    ink: str
    kind: Literal["line", "course", "dots", "marks", "level"] = "line"
    mark: str = ""
    tag: str = ""


def finite(layer: Layer) -> Layer:
    """The layer without points that are not numbers."""
    if all(map(math.isfinite, layer.ys)) and all(map(math.isfinite, layer.xs)):
        return layer
    kept = [(x, y) for x, y in zip(layer.xs, layer.ys, strict=True) if math.isfinite(y) and math.isfinite(x)]
    return replace(layer, xs=[x for x, _ in kept], ys=[y for _, y in kept])


def clipped(layer: Layer, x0: float, x1: float) -> Layer:
    """The part of a layer within x0…x1; a line is cut where it crosses the edges."""
    if layer.kind == "level" or not layer.xs or (layer.xs[0] >= x0 and layer.xs[-1] <= x1):
        return layer
    first, last = bisect_left(layer.xs, x0), bisect_right(layer.xs, x1)
    xs, ys = list(layer.xs[first:last]), list(layer.ys[first:last])
    if layer.kind in ("line", "course"):
        if 0 < first < len(layer.xs) and (not xs or xs[0] > x0):
            xs.insert(0, x0)
            ys.insert(0, _between(layer, first, x0))
        if 0 < last < len(layer.xs) and xs and xs[-1] < x1:
            xs.append(x1)
            ys.append(_between(layer, last, x1))
    return replace(layer, xs=xs, ys=ys)


def _between(layer: Layer, after: int, x: float) -> float:
    """y at x on the line from the point before `after` to it."""
    (xa, xb), (ya, yb) = layer.xs[after - 1 : after + 1], layer.ys[after - 1 : after + 1]
    return ya if xb <= xa else ya + (yb - ya) * (x - xa) / (xb - xa)


def extent(layers: Sequence[Layer]) -> tuple[float, float, float, float] | None:
    """`(x0, x1, y0, y1)` over all layers, never empty in either direction; None without points."""
    ends = [layer for layer in layers if layer.kind != "level"]
    xs = [x for layer in ends for x in (*layer.xs[:1], *layer.xs[-1:])]
    lows = [min(layer.ys) for layer in layers if layer.ys]
    highs = [max(layer.ys) for layer in layers if layer.ys]
    if not xs:
        return None
    x0, x1, y0, y1 = min(xs), max(xs), min(lows), max(highs)
    if x1 <= x0:
        x1 = x0 + 1
    if y1 - y0 <= abs(y1) * 1e-9:
        pad = abs(y1) * 0.1 or 1.0
        y0, y1 = y0 - pad, y1 + pad
    return x0, x1, y0, y1


def steadied(
    box: tuple[float, float, float, float], total: float | None = None
) -> tuple[float, float, float, float]:
    """The extent widened to rounder bounds, so that a growing curve is not rescaled for every point.

    x ends at a twentieth of `total` (or at a tenth of the span, rounded to 1, 2, 5); y at a twentieth of its.
    """
    x0, x1, y0, y1 = box
    part = total / 20 if total and total >= x1 else round_step((x1 - x0) / 10)
    x1 = math.ceil(x1 / part - 1e-9) * part
    part = round_step((y1 - y0) / 20)
    return x0, x1, math.floor(y0 / part + 1e-9) * part, math.ceil(y1 / part - 1e-9) * part


def round_step(raw: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten at or above `raw` (positive)."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= raw * 0.999)


def buckets(layer: Layer, x0: float, x1: float, columns: int) -> list[tuple[float, float, float] | None]:
    """Minimum, maximum and mean of the points in each of `columns` equal parts of x0…x1."""
    found: list[tuple[float, float, float] | None] = [None] * columns
    xs, ys = layer.xs, layer.ys
    at, stop = bisect_left(xs, x0), bisect_right(xs, x1)
    width = (x1 - x0) / max(1, columns - 1)
    while at < stop:
        column = min(columns - 1, round((xs[at] - x0) / width))
        end = bisect_right(xs, x0 + (column + 0.5) * width, at + 1, stop) if column < columns - 1 else stop
        part = ys[at:end]
        found[column] = (min(part), max(part), sum(part) / len(part))
        at = end
    return found


def grid(
    layers: Sequence[Layer],
    width: int,
    height: int,
    box: tuple[float, float, float, float],
    glyphs: Glyphs,
) -> list[list[Cell]]:
    """`height` rows of `width` cells; where layers share a cell their dots are joined, in the later ink."""
    x0, x1, y0, y1 = box
    cells: list[list[Cell]] = [[(" ", "")] * width for _ in range(height)]
    bits = [[0] * width for _ in range(height)]
    rows = height * 4

    def row_of(y: float) -> int:
        return max(0, min(rows - 1, round((y1 - y) / (y1 - y0) * (rows - 1))))

    tags: list[tuple[int, int, Cell]] = []
    for index, layer in enumerate(layers):
        if not layer.xs:
            continue
        if layer.kind == "marks":
            for x, y in zip(layer.xs, layer.ys, strict=True):
                if x0 <= x <= x1 and y0 <= y <= y1:
                    column = round((x - x0) / (x1 - x0) * (width - 1))
                    cells[row_of(y) // 4][column] = (layer.mark, layer.ink)
                    bits[row_of(y) // 4][column] = 0
            continue
        if layer.kind == "level":
            for y in layer.ys:
                if y0 <= y <= y1:
                    row = cells[row_of(y) // 4]
                    row[::2] = [(glyphs.level, layer.ink)] * len(row[::2])
            continue
        dots = [*_dots_of(layer, x0, x1, width, row_of)]
        for column, dot_row in dots:
            bits[dot_row // 4][column // 2] |= _DOTS[dot_row % 4][column % 2]
        for x, y in {(column // 2, dot_row // 4) for column, dot_row in dots}:
            cells[y][x] = (_character(bits[y][x], glyphs, layer.kind), layer.ink)
        if layer.tag and dots:
            every = max(12, width // 4)
            at = {column // 2: dot_row // 4 for column, dot_row in dots}
            places = [x for x in at if x % every == (3 + 5 * index) % every]
            tags += [(at[x], x, (layer.tag, layer.ink)) for x in (*places, max(at))]
    for y, x, cell in tags:
        cells[y][x] = cell
    return cells


def _dots_of(
    layer: Layer, x0: float, x1: float, width: int, row_of: Callable[[float], int]
) -> Iterator[tuple[int, int]]:
    """Column and row of each dot that is set, two columns and four rows a cell."""
    previous: tuple[int, int] | None = None
    for column, part in enumerate(buckets(layer, x0, x1, width * 2)):
        if part is None:
            continue
        if layer.kind == "dots":
            yield column, row_of(part[0])
            yield column, row_of(part[1])
            continue
        place = (column, row_of(part[2]))
        yield from _joined(previous, place)
        if layer.kind == "line":
            yield from ((column, row) for row in range(row_of(part[1]), row_of(part[0]) + 1))
        previous = place


def _joined(start: tuple[int, int] | None, stop: tuple[int, int]) -> list[tuple[int, int]]:
    """The dots from `start` (left out) to `stop`, so that a line has no gaps."""
    if start is None:
        return [stop]
    (x0, y0), (x1, y1) = start, stop
    steps = max(x1 - x0, abs(y1 - y0), 1)
    return [
        (round(x0 + (x1 - x0) * part / steps), round(y0 + (y1 - y0) * part / steps))
        for part in range(1, steps + 1)
    ]


def _character(bits: int, glyphs: Glyphs, kind: str) -> str:
    if glyphs.braille:
        return chr(0x2800 + bits)
    rows = [row for row in range(4) if bits & (_DOTS[row][0] | _DOTS[row][1])]
    if kind == "dots":
        return "'" if rows[-1] < 2 else "."
    if len(rows) >= 3:
        return "|"
    return "'" if rows[-1] == 0 else "-" if rows[-1] <= 2 else "_"


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers within low…high, in steps of 1, 2 or 5 times a power of ten."""
    if count < 1 or high <= low:
        return []
    step = round_step((high - low) / max(1, count))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def label(value: float, step: float | None = None) -> str:
    """A short number for an axis: 0, 0.25, 1.5, 12k, 2e-4; with `step`, as many decimals as tell ticks
    apart."""
    size = abs(value)
    if size < 1e-12:
        return "0"
    if size < 1e-3:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            unit = 1e3 if letter == "k" else limit
            return f"{value / unit:.3g}{letter}"
    decimals = (
        max(0, -math.floor(math.log10(step) + 1e-9))
        if step
        else (0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3)
    )
    return f"{value:.{min(decimals, 5)}f}"
