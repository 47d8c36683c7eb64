"""Scales of a chart: where round numbers stand, and how they are written. Pure functions and values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.tui.kit.chart.plot import label, ticks

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
LEAST = 1e-12  # nothing smaller has a place on a logarithmic scale

Mark = tuple[float, str]  # where on the scale, and what is written there


@dataclass(frozen=True, slots=True)
class Scale:
    """A value axis: `place` takes a value to where it is drawn, None for what has no place on it."""

    log: bool = False

    def place(self, value: float) -> float | None:
        if not self.log:
            return value
        return math.log10(value) if value > LEAST else None

    def marks(self, low: float, high: float, count: int, rows: int = 100) -> list[Mark]:
        """About `count` round values between two places of the scale, on `rows` lines: two or more apart."""
        if not self.log:
            values = ticks(low, high, count)
            if len(values) < min(3, count + 1):
                more = ticks(low, high, 2 * count)
                values = more if len(values) < 2 or _apart(more, high - low, rows) >= 2 else values
            while count > 1 and len(values) > 2 and _apart(values, high - low, rows) < 2:
                count -= 1
                values = ticks(low, high, count) or values[:1]
            step = values[1] - values[0] if len(values) > 1 else abs(*values) if values else None
            return [(value, label(value, step or 1.0)) for value in values]
        factors = (1, 2, 5) if count >= 3 * (high - low) else (1,)
        found = [
            factor * 10.0**power
            for power in range(math.floor(low), math.ceil(high) + 1)
            for factor in factors
        ]
        inside = [value for value in found if low - 1e-9 <= math.log10(value) <= high + 1e-9]
        if len(inside) < 2:
            values = ticks(10**low, 10**high, count)
            step = values[1] - values[0] if len(values) > 1 else None
            return [(math.log10(value), label(value, step)) for value in values if value > 0]
        inside = inside[:: max(1, round(len(inside) / max(count, 1)))]
        return [(math.log10(value), label(value, value)) for value in inside]


def _apart(values: list[float], span: float, rows: int) -> float:
    """How many of `rows` lines lie from one of these values to the next."""
    return (values[1] - values[0]) * rows / span if len(values) > 1 else 0.0


def steps(first: float, last: float, count: int) -> list[Mark]:
    """Round steps; never parts of one."""
    values = [value for value in ticks(first, last, count) if value == round(value)]
    unit = values[1] - values[0] if len(values) > 1 else 1
    return [(value, label(value, unit)) for value in values]


def tokens(first: float, last: float, count: int) -> list[Mark]:
    return [(value, label(value, 1)) for value in ticks(first, last, count)]


def times(first: float, last: float, count: int) -> list[Mark]:
    """Round times in seconds, minutes, hours or days."""
    span = last - first
    if span < count:
        return [(value, f"{value:g}s") for value in ticks(first, last, count)]
    rough = span / max(1, count)
    unit = next((each for each in SECONDS if each >= rough), math.ceil(rough / 86400) * 86400)
    start, stop = math.ceil(first / unit - 1e-9), math.floor(last / unit + 1e-9)
    return [(index * unit, clock(index * unit)) for index in range(start, stop + 1)]


def clock(seconds: float) -> str:
    """A time of the run, short: 0, 45s, 12m, 12m30, 3h, 3h20, 2d4h."""
    whole = max(0, round(seconds))
    days, hours, minutes, rest = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days}d{hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h{minutes:02d}" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{rest:02d}" if rest else f"{minutes}m"
    return f"{rest}s" if rest else "0"


MARKERS: dict[str, Callable[[float, float, int], list[Mark]]] = {
    "step": steps,
    "time": times,
    "tokens": tokens,
}
