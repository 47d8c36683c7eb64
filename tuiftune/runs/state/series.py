"""A curve that stays small however long the run: bucketed as it comes, keeping lowest and highest."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuiftune.metrics.metric import Metric

# A bucket: x and y of its lowest, x and y of its highest point, and how many points it holds.
Bucket = tuple[float, float, float, float, int]


FENCES = 64  # checkpoints that a run may go back to; far more than are kept


class Series:
    """Points (x, y) in order of x, at most two for each of `buckets` buckets; nothing is lost of the
    extremes.

    While there are fewer points than buckets every point is kept. When the buckets are used up, neighbors
    are merged and each new one takes twice as many points. A fence keeps those before it apart from those
    behind it, so that a rewind to it drops no extreme that stays.
    """

    __slots__ = (
        "_buckets",
        "_fences",
        "_filled",
        "_limit",
        "_settled",
        "_settled_to",
        "_width",
        "count",
        "last",
    )

    def __init__(self, buckets: int = 1000) -> None:
        self._limit = buckets
        self._buckets: list[Bucket] = []
        self._fences: deque[float] = deque(maxlen=FENCES)
        self._width = 1
        self._filled = 0
        self._settled: list[tuple[float, float]] = []  # the points of the first buckets, which change no more
        self._settled_to = 0
        self.count = 0
        self.last: tuple[float, float] | None = None

    def add(self, x: float, y: float) -> None:
        """Append a point. One that goes back in x (a run resumed) drops the points from there on."""
        if self.last is not None and x <= self.last[0]:
            self.rewind(x)
        if self._fences and self.last is not None and self.last[0] <= self._fences[-1] < x:
            self._filled = self._width
        self.count += 1
        self.last = (x, y)
        if self._buckets and self._filled < self._width:
            self._buckets[-1] = _merged(self._buckets[-1], (x, y, x, y, 1))
            self._filled += 1
            return
        if len(self._buckets) >= self._limit:
            self._halve()
        self._buckets.append((x, y, x, y, 1))
        self._filled = 1

    def fence(self, x: float) -> None:
        """Keep the points behind `x` apart from those up to it. The latest `FENCES` of them hold."""
        if not self._fences or self._fences[-1] < x:
            self._fences.append(x)

    def rewind(self, x: float) -> None:
        """Drop the points at `x` and after."""
        while self._fences and self._fences[-1] >= x:
            self._fences.pop()
        self._settled, self._settled_to = [], 0
        while self._buckets and max(self._buckets[-1][0], self._buckets[-1][2]) >= x:
            low_x, low, high_x, high, size = self._buckets.pop()
            self.count -= size
            kept = [(at, y) for at, y in ((low_x, low), (high_x, high)) if at < x]
            if kept:
                at, y = kept[0]
                self._buckets.append((at, y, at, y, 1))
                self.count += 1
                break
        self._filled = self._width
        points = self.points()
        self.last = points[-1] if points else None

    def points(self) -> list[tuple[float, float]]:
        """All points that are kept, in order of x."""
        if self._buckets:
            for bucket in self._buckets[self._settled_to : -1]:
                self._settled += _extremes(bucket)
            self._settled_to = max(self._settled_to, len(self._buckets) - 1)
        points = self._settled + [point for bucket in self._buckets[-1:] for point in _extremes(bucket)]
        if self.last is not None and points and self.last[0] > points[-1][0]:
            points.append(self.last)
        return points

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(self.points())

    def __len__(self) -> int:
        return len(self.points())

    @property
    def lowest(self) -> float | None:
        return min((bucket[1] for bucket in self._buckets), default=None)

    @property
    def highest(self) -> float | None:
        return max((bucket[3] for bucket in self._buckets), default=None)

    def values(self) -> list[float]:
        return [y for _, y in self.points()]

    def _halve(self) -> None:
        self._settled, self._settled_to = [], 0
        merged: list[Bucket] = []
        fences = iter([*self._fences, math.inf])
        fence = next(fences)
        alone = True  # the last one of `merged` waits for a neighbor
        for bucket in self._buckets:
            crossed = max(bucket[0], bucket[2]) > fence
            while max(bucket[0], bucket[2]) > fence:
                fence = next(fences)
            if merged and alone and not crossed:
                merged[-1] = _merged(merged[-1], bucket)
                alone = False
            else:
                merged.append(bucket)
                alone = True
        self._buckets = merged
        self._width *= 2


class Curves(dict[str, Series]):
    """Curves by the names of their metrics: an empty one for what was not measured."""

    def __missing__(self, name: str) -> Series:
        return Series()

    def add(self, metric: Metric, x: float, y: float) -> None:
        if metric.name not in self:
            self[metric.name] = Series(metric.buckets)
        self[metric.name].add(x, y)


def interpolated(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """y at x on the line through the points, that of the nearest end beyond them; 0 without points."""
    if not xs:
        return 0.0
    at = bisect_left(xs, x)
    if at == 0 or at == len(xs):
        return ys[min(at, len(xs) - 1)]
    width = xs[at] - xs[at - 1]
    return ys[at] if width <= 0 else ys[at - 1] + (ys[at] - ys[at - 1]) * (x - xs[at - 1]) / width


def _extremes(bucket: Bucket) -> list[tuple[float, float]]:
    """One point or two, in order of x."""
    low_x, low, high_x, high, size = bucket
    if size == 1 or low_x == high_x:
        return [(low_x, low)]
    return [(low_x, low), (high_x, high)] if low_x < high_x else [(high_x, high), (low_x, low)]


def _merged(first: Bucket, second: Bucket) -> Bucket:
    low = first[:2] if first[1] <= second[1] else second[:2]
    high = first[2:4] if first[3] >= second[3] else second[2:4]
    return (*low, *high, first[4] + second[4])
