"""The charts there are of a run, and what is drawn in each: layers with their legend, from folded states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tuiftune.figures import real
from tuiftune.metrics import BY_FIELD, METRICS, of
from tuiftune.metrics.metric import BY_STEP, GIB
from tuiftune.runs.state.means import smoothed
from tuiftune.tui.kit.chart.lens import DEFAULT, Axis, Lens
from tuiftune.tui.kit.chart.plot import Layer
from tuiftune.tui.kit.chart.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiftune.metrics.metric import Metric
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.state.series import Curves
    from tuiftune.tui.kit.glyphs import Glyphs

Points = list[tuple[float, float]]
Kind = Literal["line", "course", "dots"]
Entry = tuple[str, str, str, str]  # of a legend: sign, words, value, ink
RUN_INKS = ("c0", "c2", "c3", "c4", "c1", "c5")
RUN_SIGNS = "ABCDEF"
MOST_RUNS = len(RUN_SIGNS)


# A chart is known by the metric that opens it, the first of those that are drawn in it.
BY_KEY: dict[str, Metric] = {metric.chart: metric for metric in reversed(METRICS) if metric.chart}
CURVES = tuple(metric for metric in METRICS if metric in BY_KEY.values())


@dataclass(frozen=True, slots=True)
class Source:
    """A run to draw: its name and its folded state."""

    name: str
    state: RunState


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a chart shows. `axis` is what its x is; `bounds` a fixed range of y; `empty` said without
    points."""

    layers: tuple[Layer, ...]
    legend: tuple[Entry, ...] = ()
    axis: Axis = "step"
    total: float | None = None
    bounds: tuple[float, float] | None = None
    empty: str = "no points yet"


def available(states: Sequence[RunState]) -> tuple[Metric, ...]:
    """The charts that have something to show: those of cards only where there are cards."""
    gpus = any(state.gpu_curves for state in states)
    known = [
        curve
        for curve in CURVES
        if (gpus if curve.event == "card" else curve.always)
        or any(curve.name in state.curves for state in states)
    ]
    others = {
        metric.chart: metric
        for state in states
        for metric in sorted(state.unregistered.values(), key=lambda one: one.event != "step", reverse=True)
        if metric.chart not in BY_KEY
    }
    return (*known, *sorted(others.values(), key=lambda curve: curve.chart))


def drawing(curve: Metric, sources: Sequence[Source], lens: Lens, glyphs: Glyphs) -> Drawing:
    """The layers of a chart, lowest first. Several runs are drawn as one line each, with a letter on it."""
    if len(sources) > 1:
        return _overlaid(curve, sources, lens, glyphs)
    state = sources[0].state
    if curve.event in BY_STEP:
        return _by_step(curve, state, lens, glyphs)
    if curve.chart == "throttle":
        return _throttling(state, glyphs)
    if curve.event == "card":
        return _by_gpu(curve, state, glyphs)
    return _of_machine(curve, state, glyphs)


def layers(state: RunState, key: str, glyphs: Glyphs) -> list[Layer]:
    """What is drawn of one run by steps, seen whole."""
    return list(drawing(BY_KEY[key], [Source("", state)], Lens(), glyphs).layers)


def load_history(state: RunState) -> tuple[str, list[Layer]]:
    """Title and layers of the load over the run's seconds, in percent: each GPU's, else the CPU's."""
    if state.gpu_curves:
        gpus = sorted(state.gpu_curves.items())
        title = "GPU load, %" if len(gpus) == 1 else f"load of {len(gpus)} GPUs, %"
        kind: Kind = "course" if len(gpus) > 1 else "line"
        every = sorted(point for _, curves in gpus for point in curves.curves["utilisation"].points())
        below = [_layer(every, "guide", "dots")] if len(gpus) > 1 else []
        loads = [
            _layer(curves.curves["utilisation"].points(), f"c{index % 8}", kind) for index, curves in gpus
        ]
        return title, below + loads
    return "CPU load, %", [_layer(state.time_curves["cpu"].points(), "c0")]


def _by_step(curve: Metric, state: RunState, lens: Lens, glyphs: Glyphs) -> Drawing:
    along, metric = _along(state, lens.axis), curve
    raw, smooth = _course(metric, state, lens)
    total = _total(state, lens.axis)
    if not metric.smoothed:
        now = (glyphs.line, "now", metric.written(state.values.get(metric.name), metric.digits), metric.ink)
        return Drawing((_layer(along(raw), metric.ink),), (now,), lens.axis, total)
    found = [_layer(along(raw), "raw", "dots" if smooth else "line")]
    legend: list[Entry] = [(glyphs.raw if smooth else glyphs.line, "raw", "", "raw")]
    if smooth:
        found.append(_layer(along(smooth), metric.ink))
        legend.append((glyphs.line, "smooth", metric.written(smooth[-1][1]), metric.ink))
    for held, points in _evaluated(curve, state):
        found.append(_marks(along(points), "accent", glyphs.point))
        if points:
            legend.append((glyphs.point, "eval", held.written(points[-1][1]), "accent"))
    best = state.best
    if curve.chart == "loss" and best is not None and best.loss is not None:
        found.append(_marks(along([(float(best.step), best.loss)]), "strong", glyphs.best))
        legend.append((glyphs.best, "best", f"{real(best.loss)} at {best.step:,}", "strong"))
    return Drawing(tuple(found), tuple(legend), lens.axis, total)


def _evaluated(curve: Metric, state: RunState) -> Iterator[tuple[Metric, Points]]:
    """What evaluations measured of a chart of steps."""
    for metric in state.metrics():
        if metric.event == "eval" and metric.chart == curve.chart and metric != curve:
            yield metric, state.curves[metric.name].points()


def _course(metric: Metric, state: RunState, lens: Lens) -> tuple[Points, Points]:
    """The points of a curve over the steps and their smoothed course, which is [] where there is none."""
    raw = state.curves[metric.name].points()
    span = lens.span(float(state.total_steps or state.step))
    if not metric.smoothed or not raw or span <= 1:
        return raw, []
    if metric.name == "loss" and lens.smoothing == DEFAULT:
        return raw, state.smooth_curve.points()
    means = state.means.get(metric.name)
    return raw, smoothed(means.points(), span) if means else []


def _by_gpu(curve: Metric, state: RunState, glyphs: Glyphs) -> Drawing:
    del glyphs
    found: list[Layer] = []
    legend: list[Entry] = []
    gpus = sorted(state.gpu_curves.items())
    every: Points = []
    for index, curves in gpus:
        points = _points(curve, curves.curves)
        every += points
        sign, ink = str(index % 10), f"c{index % 8}"
        kind: Kind = "course" if len(gpus) > 1 else "line"
        found.append(_layer(points, ink, kind, tag=sign if len(gpus) > 1 else ""))
        now = f"{points[-1][1]:.4g} {curve.drawn_unit}" if points else "—"
        legend.append((sign, "GPU" if len(gpus) == 1 else "", now, ink))
    if len(gpus) > 1:  # their lines are means, so that they can be told apart: below them the extremes
        found.insert(0, _layer(sorted(every), "guide", "dots"))
    if curve.chart == "card-memory" and state.gpus and state.gpus[0].memory_total:
        found.append(Layer([0.0], [state.gpus[0].memory_total / GIB], "faint", "level"))
    return Drawing(tuple(found), tuple(legend), "time", empty="no readings yet")


def _points(metric: Metric, curves: Curves) -> Points:
    """Of a metric over time, in the unit that it is drawn in."""
    points, scale = curves[metric.name].points(), metric.scale
    return points if scale == 1 else [(x, y / scale) for x, y in points]


def _throttling(state: RunState, glyphs: Glyphs) -> Drawing:
    """A lane for each card: a sign wherever it was slowed down."""
    gpus = sorted(state.gpu_curves.items())
    found = [
        _marks(
            [(x, float(index)) for x, held in curves.curves["throttle"] if held],
            f"c{index % 8}",
            glyphs.warning,
        )
        for index, curves in gpus
    ]
    if any(layer.xs for layer in found):  # as wide as what was looked at, not as what was found
        looked = [curves.curves["throttle"].points() for _, curves in gpus]
        ends = [min(points[0][0] for points in looked), max(points[-1][0] for points in looked)]
        found.insert(0, Layer(ends, [0.0, 0.0], "", "marks", " "))
    causes: dict[str, int] = {}
    for _, curves in gpus:
        for cause, times in curves.causes.items():
            causes[cause] = causes.get(cause, 0) + times
    legend = tuple(
        (glyphs.warning, cause, f"{times:,} readings", "warning") for cause, times in causes.items()
    )
    empty = "no GPU was throttled" if gpus else "no readings yet"
    return Drawing(tuple(found), legend, "time", bounds=(-0.5, max(1, len(gpus)) - 0.5), empty=empty)


def _of_machine(curve: Metric, state: RunState, glyphs: Glyphs) -> Drawing:
    if curve.chart != "memory":
        points = _points(curve, state.time_curves)
        now = f"{points[-1][1]:.3g} {curve.drawn_unit}" if points else "—"
        lines = [_layer(points, "c0")]
        if curve.chart == "host" and state.host.memory_total:
            lines.append(Layer([0.0], [state.host.memory_total / GIB], "faint", "level"))
        return Drawing(tuple(lines), ((glyphs.line, "now", now, "c0"),), "time", empty="no readings yet")
    found: list[Layer] = []
    legend: list[Entry] = []
    for metric in of("memory"):
        if metric.chart and (points := _points(metric, state.time_curves)):
            sign = metric.name[0]
            found.append(_layer(points, metric.ink, tag=sign))
            legend.append((sign, metric.label, f"{points[-1][1]:.2f}", metric.ink))
    if state.memory.predicted is not None and found:
        predicted = state.memory.predicted / GIB
        found.append(Layer([0.0], [predicted], "accent", "level"))
        legend.append((glyphs.level, "predicted", f"{predicted:.2f}", "accent"))
    return Drawing(tuple(found), tuple(legend), "time", empty="no readings yet")


def _overlaid(curve: Metric, sources: Sequence[Source], lens: Lens, glyphs: Glyphs) -> Drawing:
    found: list[Layer] = []
    legend: list[Entry] = []
    totals: list[float] = []
    axis: Axis = lens.axis if curve.event in BY_STEP else "time"
    for index, source in enumerate(sources):
        sign, ink = RUN_SIGNS[index % len(RUN_SIGNS)], RUN_INKS[index % len(RUN_INKS)]
        state = source.state
        if curve.event in BY_STEP:
            raw, smooth = map(_along(state, axis), _course(curve, state, lens))
        else:
            raw, smooth = _of_all_gpus(curve, state)
        points = smooth or raw
        found.append(_layer(points, ink, tag=sign))
        if smooth:  # below the lines the extremes, in one ink so that the runs can be told apart
            found.insert(0, _layer(raw, "guide", "dots"))
        for _, held in _evaluated(curve, state):
            found.append(_marks(_along(state, axis)(held), ink, glyphs.point))
        legend.append((sign, source.name, f"{points[-1][1]:.4g}" if points else "—", ink))
        totals.append(_total(state, axis) or 0.0)
    longest = max(totals) if curve.event in BY_STEP else 0.0
    return Drawing(tuple(found), tuple(legend), axis, longest or None)


def _of_all_gpus(curve: Metric, state: RunState) -> tuple[Points, Points]:
    """All of a run: what its cards read, and the course of their mean; or what its machine says."""
    if curve.event != "card":
        measured = BY_FIELD["memory", "device"] if curve.chart == "memory" else curve
        return _points(measured, state.time_curves), []
    gpus = state.gpu_curves
    every = sorted((x, index, y) for index, gpu in gpus.items() for x, y in _points(curve, gpu.curves))
    raw = [(x, y) for x, _, y in every]
    if len(gpus) < 2:
        return raw, []
    latest: dict[int, float] = {}
    course: dict[float, float] = {}
    for x, index, y in every:
        latest[index] = y
        if len(latest) == len(gpus):
            course[x] = sum(latest.values()) / len(latest)
    return raw, list(course.items())


def _along(state: RunState, axis: Axis) -> Callable[[Points], Points]:
    """Moves points from steps to another axis."""
    if axis == "step":
        return lambda points: points
    line = Timeline(state)
    return lambda points: [(line.place(axis, x), y) for x, y in points]


def _total(state: RunState, axis: Axis) -> float | None:
    """Where the run will end along the axis, as far as that is known."""
    if axis == "step" or state.end is not None or not state.total_steps or not state.step:
        return float(state.total_steps) if axis == "step" and state.total_steps else None
    if axis == "tokens" and state.tokens:
        return state.tokens * state.total_steps / state.step
    left = state.eta.seconds
    return None if left is None else state.seconds + left


def _layer(points: Points, ink: str, kind: Kind = "line", tag: str = "") -> Layer:
    return Layer([x for x, _ in points], [y for _, y in points], ink, kind, tag=tag)


def _marks(points: Points, ink: str, mark: str) -> Layer:
    return Layer([x for x, _ in points], [y for _, y in points], ink, "marks", mark)
