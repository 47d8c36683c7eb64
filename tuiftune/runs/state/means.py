"""The mean course of a curve, bounded however long the run: what smoothing of any strength starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A bucket: x of its last point, mean of its points, how many points it holds.
Bucket = tuple[float, float, float]


class Means:
    """Means of neighboring points, at most `buckets` of them; exact while there are fewer points.

    A `Series` keeps the extremes, whose middle one spike would move: a mean has to be counted as it comes.
    """

    __slots__ = ("_buckets", "_limit", "_width")

    def __init__(self, buckets: int = 1000) -> None:
        self._limit = buckets
        self._buckets: list[Bucket] = []
        self._width = 1.0

    def __len__(self) -> int:
        return len(self._buckets)

    def add(self, x: float, mean: float, points: float = 1.0) -> None:
        """Take in `points` points up to `x` with this mean; what was seen from `x` on is replaced."""
        while self._buckets and self._buckets[-1][0] >= x:
            self._buckets.pop()
        if points <= 0:
            return
        if self._buckets and self._buckets[-1][2] + points <= self._width:
            self._buckets[-1] = _merged(self._buckets[-1], (x, mean, points))
            return
        if len(self._buckets) >= self._limit:
            self._halve()
        self._buckets.append((x, mean, points))

    def points(self) -> list[Bucket]:
        """x, mean and number of points of each bucket, in order of x."""
        return list(self._buckets)

    def _halve(self) -> None:
        seen = self._buckets
        self._buckets = [_merged(*seen[at : at + 2]) for at in range(0, len(seen) - 1, 2)]
        self._buckets += seen[len(seen) - len(seen) % 2 :]
        self._width *= 2


def smoothed(buckets: Sequence[Bucket], span: float) -> list[tuple[float, float]]:
    """Exponential moving average over `span` points (keeps 1 - 2 / (span + 1) of the old a point), (x, y).

    A bucket of n points weighs as n of them. A span of one or less leaves the means as they are.
    """
    if span <= 1:
        return [(x, mean) for x, mean, _ in buckets]
    keep = 1 - 2 / (span + 1)
    course: list[tuple[float, float]] = []
    level: float | None = None
    for x, mean, points in buckets:
        kept = keep**points
        level = mean if level is None else kept * level + (1 - kept) * mean
        course.append((x, level))
    return course


def _merged(first: Bucket, second: Bucket) -> Bucket:
    points = first[2] + second[2]
    return second[0], (first[1] * first[2] + second[1] * second[2]) / points, points
