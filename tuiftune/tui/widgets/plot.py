"""Draw curves into a grid of cells: braille dots (2 × 4 a cell), or plain ASCII. Pure functions, no widget.

A curve is reduced to at most two columns of dots a cell before anything is drawn, so cost goes with the width
and not with the number of points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.tui.glyphs import Glyphs

Cell = tuple[str, str]  # character, ink
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # braille bit by row and column


@dataclass(frozen=True, slots=True)
class Layer:
    """Points in order of x. `line` joins bucket means, `dots` shows each bucket's extremes, `marks` one sign
    each."""

    xs: Sequence[float]
    ys: Sequence[float]
    ink: str
    kind: Literal["line", "dots", "marks"] = "line"
    mark: str = ""


def finite(layer: Layer) -> Layer:
    """The layer without points that are not numbers."""
    kept = [(x, y) for x, y in zip(layer.xs, layer.ys, strict=True) if math.isfinite(y) and math.isfinite(x)]
    return Layer([x for x, _ in kept], [y for _, y in kept], layer.ink, layer.kind, layer.mark)


def extent(layers: Sequence[Layer]) -> tuple[float, float, float, float] | None:
    """`(x0, x1, y0, y1)` over all layers, never empty in either direction; None without points."""
    xs = [x for layer in layers for x in (layer.xs[:1] or ())] + [
        x for layer in layers for x in (layer.xs[-1:] or ())
    ]
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
    """The extent widened to rounder bounds, so that a growing curve is not drawn anew for every point.

    x ends at a twentieth of `total` (or at a round number); y at a twentieth of the span, rounded to 1, 2, 5.
    """
    x0, x1, y0, y1 = box
    part = total / 20 if total and total >= x1 else round_step((x1 - x0) / 20)
    x1 = math.ceil(x1 / part - 1e-9) * part
    part = round_step((y1 - y0) / 20)
    return x0, x1, math.floor(y0 / part + 1e-9) * part, math.ceil(y1 / part - 1e-9) * part


def round_step(raw: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten at or above `raw` (positive)."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= raw * 0.999)


def buckets(layer: Layer, x0: float, x1: float, columns: int) -> list[tuple[float, float, float] | None]:
    """Minimum, maximum and mean of the points in each of `columns` equal parts of x0…x1."""
    found: list[tuple[float, float, float, int] | None] = [None] * columns
    scale = (columns - 1) / (x1 - x0)
    for x, y in zip(layer.xs, layer.ys, strict=True):
        if not x0 <= x <= x1:
            continue
        column = round((x - x0) * scale)
        seen = found[column]
        found[column] = (
            (y, y, y, 1) if seen is None else (min(seen[0], y), max(seen[1], y), seen[2] + y, seen[3] + 1)
        )
    return [None if part is None else (part[0], part[1], part[2] / part[3]) for part in found]


def grid(
    layers: Sequence[Layer],
    width: int,
    height: int,
    box: tuple[float, float, float, float],
    glyphs: Glyphs,
) -> list[list[Cell]]:
    """`height` rows of `width` cells; later layers cover earlier ones."""
    x0, x1, y0, y1 = box
    cells: list[list[Cell]] = [[(" ", "")] * width for _ in range(height)]
    rows = height * 4

    def row_of(y: float) -> int:
        return max(0, min(rows - 1, round((y1 - y) / (y1 - y0) * (rows - 1))))

    for layer in layers:
        if not layer.xs:
            continue
        if layer.kind == "marks":
            for x, y in zip(layer.xs, layer.ys, strict=True):
                if x0 <= x <= x1 and y0 <= y <= y1:
                    column = round((x - x0) / (x1 - x0) * (width - 1))
                    cells[row_of(y) // 4][column] = (layer.mark, layer.ink)
            continue
        bits = [[0] * width for _ in range(height)]
        parts = buckets(layer, x0, x1, width * 2)
        previous: tuple[int, int] | None = None
        for column, part in enumerate(parts):
            if part is None:
                continue
            if layer.kind == "dots":
                for row in {row_of(part[0]), row_of(part[1])}:
                    bits[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
                continue
            row = row_of(part[2])
            for dot_column, dot_row in _joined(previous, (column, row)):
                bits[dot_row // 4][dot_column // 2] |= _DOTS[dot_row % 4][dot_column % 2]
            previous = (column, row)
        for y in range(height):
            for x in range(width):
                if bits[y][x]:
                    cells[y][x] = (_character(bits[y][x], glyphs, layer.kind), layer.ink)
    return cells


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
