"""How the charts of a run are looked at: which part, along what, how smooth, and where the cursor stands.

A value without a screen: each key makes a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Axis = Literal["step", "time", "tokens"]
AXES: tuple[Axis, ...] = ("step", "time", "tokens")
# Span of the moving average: share of the run's steps, and at least so many steps. 0: none.
SMOOTHINGS = ((0.0, 0.0), (0.005, 3.0), (0.02, 5.0), (0.05, 9.0), (0.1, 17.0), (0.2, 33.0))
DEFAULT = 2
CLOSEST = 4000.0  # how often the whole can be magnified

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lens:
    """`window` is the part that is shown, None for all of it; with `follow` it keeps its width and moves with
    the latest point. `window` and `cursor` are in units of `axis`."""

    axis: Axis = "step"
    window: Range | None = None
    follow: bool = False
    cursor: float | None = None
    log: bool = False
    smoothing: int = DEFAULT

    def seen(self, whole: Range) -> Range:
        """The part of `whole` that is shown."""
        if self.window is None:
            return whole
        first, last = self.window
        if self.follow:
            first, last = whole[1] - (last - first), whole[1]
        return first, last

    def span(self, steps: float) -> float:
        """How many of a run's `steps` the smoothing goes over; 0 for none."""
        share, least = SMOOTHINGS[self.smoothing]
        return max(least, share * steps)

    def zoomed(self, factor: float, whole: Range) -> Lens:
        """Magnified by `factor` about the cursor, else about what is followed, else about the middle."""
        first, last = self.seen(whole)
        width = (last - first) / factor
        least = (whole[1] - whole[0]) / CLOSEST
        if width >= whole[1] - whole[0]:
            return replace(self, window=None, follow=False)
        width = max(width, least)
        if self.follow:
            return replace(self, window=(whole[1] - width, whole[1]))
        centre = self.cursor if self.cursor is not None else (first + last) / 2
        part = (centre - first) / (last - first) if last > first else 0.5
        start = centre - min(max(part, 0.0), 1.0) * width
        return replace(self, window=_within((start, start + width), whole))

    def panned(self, share: float, whole: Range) -> Lens:
        """Moved by `share` of what is shown; it stops at the ends of the run, and follows no longer."""
        if self.window is None:
            return self
        first, last = self.seen(whole)
        by = share * (last - first)
        return replace(self, window=_within((first + by, last + by), whole), follow=False)

    def reset(self) -> Lens:
        """All of the run, and no cursor."""
        return replace(self, window=None, follow=False, cursor=None)

    def following(self, whole: Range) -> Lens:
        """The latest part, of the width that is shown, or the last fifth; or no longer."""
        if self.follow:
            return replace(self, follow=False, window=self.seen(whole))
        first, last = self.window or (whole[1] - (whole[1] - whole[0]) / 5, whole[1])
        return replace(self, follow=True, window=(first, last), cursor=None)

    def pointed(self, at: float, whole: Range) -> Lens:
        """The cursor at `at`, held within the run; what is shown moves along when it would leave it."""
        at = min(max(at, whole[0]), whole[1])
        moved = replace(self, cursor=at)
        if self.window is None:
            return moved
        first, last = self.seen(whole)
        if first <= at <= last:
            return moved
        by = at - last if at > last else at - first
        return replace(moved, window=_within((first + by, last + by), whole), follow=False)

    def smoother(self, by: int) -> Lens:
        return replace(self, smoothing=min(max(self.smoothing + by, 0), len(SMOOTHINGS) - 1))

    def along(self, axis: Axis) -> Lens:
        """Along another axis: what was shown has no place there, so all is shown."""
        return replace(self.reset(), axis=axis)


def _within(window: Range, whole: Range) -> Range:
    """Moved, not narrowed, so that it lies in the run."""
    first, last = window
    if last > whole[1]:
        first, last = first - (last - whole[1]), whole[1]
    if first < whole[0]:
        first, last = whole[0], min(last + whole[0] - first, whole[1])
    return first, last
