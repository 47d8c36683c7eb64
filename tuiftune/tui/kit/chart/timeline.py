"""Where a step of a run lies along another axis: its time, or the tokens seen so far; and back."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from tuiftune.runs.state.series import interpolated

if TYPE_CHECKING:
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.state.series import Series
    from tuiftune.tui.kit.chart.lens import Axis, Range


class Timeline:
    """Built from a folded state for one drawing. Between points it is linear, beyond the ends it stays."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._tracks: dict[str, tuple[list[float], list[float]]] = {}

    def place(self, axis: Axis, step: float) -> float:
        """Of a step along the axis: itself, seconds of the run, or tokens."""
        return step if axis == "step" else interpolated(*self._track(axis), step)

    def step(self, axis: Axis, place: float) -> float:
        """The step at a place of the axis."""
        if axis == "step":
            return place
        steps, places = self._track(axis)
        return interpolated(places, steps, place)

    def seconds(self, axis: Axis, place: float) -> float:
        return place if axis == "time" else self.place("time", self.step(axis, place))

    def from_seconds(self, axis: Axis, seconds: float) -> float:
        return seconds if axis == "time" else self.place(axis, self.step("time", seconds))

    def whole(self, axis: Axis) -> Range:
        """All of the run along the axis, up to its latest point."""
        state = self._state
        if axis == "time":
            return 0.0, max(state.seconds, 1.0)
        if axis == "tokens":
            return 0.0, max(float(state.tokens or 0), 1.0)
        first = state.curves["loss"].points()[:1] or [(0.0, 0.0)]
        return min(first[0][0], 0.0 if len(state.curves["eval_loss"]) else first[0][0]), max(
            float(state.step), 1.0
        )

    def _track(self, axis: Axis) -> tuple[list[float], list[float]]:
        if axis not in self._tracks:
            curve = self._state.seconds_curve if axis == "time" else self._state.curves["tokens"]
            points = curve.points()
            self._tracks[axis] = [x for x, _ in points], [y for _, y in points]
        return self._tracks[axis]


def nearest(curve: Series, x: float) -> tuple[float, float] | None:
    """The point that was kept nearest to x."""
    points = curve.points()
    if not points:
        return None
    at = bisect_left(points, (x,))
    return min(points[max(0, at - 1) : at + 1], key=lambda point: abs(point[0] - x))


def latest(curve: Series, x: float) -> tuple[float, float] | None:
    """The last point at or before x."""
    points = curve.points()
    at = bisect_left(points, (x + 1e-9,))
    return points[at - 1] if at else None
