"""The charts there are of a run, and what is drawn in each: layers with their legend, from folded states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tuiftune.figures import count, real
from tuiftune.preset.sizes import GIB
from tuiftune.runs.state.means import smoothed
from tuiftune.tui.kit.chart.lens import DEFAULT, Axis, Lens
from tuiftune.tui.kit.chart.plot import Layer
from tuiftune.tui.kit.chart.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.runs.state.readings import GpuCurves
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.state.series import Series
    from tuiftune.tui.kit.glyphs import Glyphs

Points = list[tuple[float, float]]
Kind = Literal["line", "course", "dots"]
Entry = tuple[str, str, str, str]  # of a legend: sign, words, value, ink
RUN_INKS = ("c0", "c2", "c3", "c4", "c1", "c5")
RUN_SIGNS = "ABCDEF"
MOST_RUNS = len(RUN_SIGNS)


@dataclass(frozen=True, slots=True)
class Curve:
    """A chart. `of` says what it is drawn from: the steps, the cards, or the machine around them."""

    key: str
    title: str
    floor: float | None = None
    of: Literal["steps", "cards", "machine"] = "steps"
    unit: str = ""


CURVES = (
    Curve("loss", "loss"),
    Curve("lr", "learning rate", 0.0),
    Curve("grad", "gradient norm", 0.0),
    Curve("speed", "tokens/s", 0.0),
    Curve("memory", "memory, GiB", 0.0, "machine", "GiB"),
    Curve("load", "GPU load, %", 0.0, "cards", "%"),
    Curve("card-memory", "GPU memory, GiB", 0.0, "cards", "GiB"),
    Curve("power", "GPU power, W", 0.0, "cards", "W"),
    Curve("heat", "GPU temperature, °C", None, "cards", "°C"),
    Curve("throttle", "GPU throttling", None, "cards"),
    Curve("cpu", "processor load, %", 0.0, "machine", "%"),
    Curve("host", "host memory, GiB", 0.0, "machine", "GiB"),
)
BY_KEY = {curve.key: curve for curve in CURVES}


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


def available(states: Sequence[RunState]) -> tuple[Curve, ...]:
    """The charts that have something to show: those of cards only where there are cards."""
    cards = any(state.gpu_curves for state in states)
    return tuple(curve for curve in CURVES if curve.of != "cards" or cards)


def drawing(curve: Curve, sources: Sequence[Source], lens: Lens, glyphs: Glyphs) -> Drawing:
    """The layers of a chart, lowest first. Several runs are drawn as one line each, with a letter on it."""
    if len(sources) > 1:
        return _overlaid(curve, sources, lens, glyphs)
    state = sources[0].state
    if curve.of == "steps":
        return _by_step(curve, state, lens, glyphs)
    if curve.key == "throttle":
        return _throttling(state, glyphs)
    if curve.of == "cards":
        return _by_card(curve, state, glyphs)
    return _of_machine(curve, state, glyphs)


def layers(state: RunState, key: str, glyphs: Glyphs) -> list[Layer]:
    """What is drawn of one run by steps, seen whole."""
    return list(drawing(BY_KEY[key], [Source("", state)], Lens(), glyphs).layers)


def load_history(state: RunState) -> tuple[str, list[Layer]]:
    """Title and layers of the load over the run's seconds, in per cent: each card's, else the processor's."""
    if state.gpu_curves:
        cards = sorted(state.gpu_curves.items())
        title = "GPU load, %" if len(cards) == 1 else f"load of {len(cards)} GPUs, %"
        kind: Kind = "course" if len(cards) > 1 else "line"
        every = sorted(point for _, curves in cards for point in curves.utilisation.points())
        below = [_layer(every, "guide", "dots")] if len(cards) > 1 else []
        loads = [_layer(curves.utilisation.points(), f"c{index % 8}", kind) for index, curves in cards]
        return title, below + loads
    return "processor load, %", [_layer(state.cpu_curve.points(), "c0")]


def _by_step(curve: Curve, state: RunState, lens: Lens, glyphs: Glyphs) -> Drawing:
    along = _along(state, lens.axis)
    raw, smooth = _course(curve.key, state, lens)
    total = _total(state, lens.axis)
    if curve.key == "lr":
        now = (glyphs.line, "now", real(state.learning_rate, 3), "second")
        return Drawing((_layer(along(raw), "second"),), (now,), lens.axis, total)
    found = [_layer(along(raw), "raw", "dots" if smooth else "line")]
    legend: list[Entry] = [(glyphs.raw if smooth else glyphs.line, "raw", "", "raw")]
    if smooth:
        ink = "good" if curve.key == "loss" else "accent" if curve.key == "grad" else "c0"
        found.append(_layer(along(smooth), ink))
        value = count(smooth[-1][1]) if curve.key == "speed" else real(smooth[-1][1])
        legend.append((glyphs.line, "smooth", value, ink))
    if curve.key == "loss":
        held = state.eval_curve.points()
        found.append(_marks(along(held), "accent", glyphs.point))
        if held:
            legend.append((glyphs.point, "eval", real(held[-1][1]), "accent"))
        best = state.best
        if best is not None and best.loss is not None:
            found.append(_marks(along([(float(best.step), best.loss)]), "strong", glyphs.best))
            legend.append((glyphs.best, "best", f"{real(best.loss)} at {best.step:,}", "strong"))
    return Drawing(tuple(found), tuple(legend), lens.axis, total)


def _course(key: str, state: RunState, lens: Lens) -> tuple[Points, Points]:
    """The points of a curve over the steps and their smoothed course, which is [] where there is none."""
    curve = _step_curve(key, state)
    raw = curve.points()
    span = lens.span(float(state.total_steps or state.step))
    if key == "lr" or not raw or span <= 1:
        return raw, []
    if key == "loss" and lens.smoothing == DEFAULT:
        return raw, state.smooth_curve.points()
    means = {"loss": state.loss_means, "grad": state.grad_norm_means, "speed": state.speed_means}[key]
    return raw, smoothed(means.points(), span)


def _step_curve(key: str, state: RunState) -> Series:
    return {
        "loss": state.loss_curve,
        "lr": state.learning_rate_curve,
        "grad": state.grad_norm_curve,
        "speed": state.speed_curve,
    }[key]


def _by_card(curve: Curve, state: RunState, glyphs: Glyphs) -> Drawing:
    del glyphs
    found: list[Layer] = []
    legend: list[Entry] = []
    cards = sorted(state.gpu_curves.items())
    every: Points = []
    for index, curves in cards:
        points = _card_points(curve.key, curves)
        every += points
        sign, ink = str(index % 10), f"c{index % 8}"
        kind: Kind = "course" if len(cards) > 1 else "line"
        found.append(_layer(points, ink, kind, tag=sign if len(cards) > 1 else ""))
        now = f"{points[-1][1]:.4g} {curve.unit}" if points else "—"
        legend.append((sign, "GPU" if len(cards) == 1 else "", now, ink))
    if len(cards) > 1:  # their lines are means, so that they can be told apart: below them the extremes
        found.insert(0, _layer(sorted(every), "guide", "dots"))
    if curve.key == "card-memory" and state.gpus and state.gpus[0].memory_total:
        found.append(Layer([0.0], [state.gpus[0].memory_total / GIB], "faint", "level"))
    return Drawing(tuple(found), tuple(legend), "time", empty="no readings yet")


def _card_points(key: str, curves: GpuCurves) -> Points:
    series = {
        "load": curves.utilisation,
        "card-memory": curves.memory,
        "power": curves.power,
        "heat": curves.temperature,
        "throttle": curves.throttled,
    }[key]
    return _gib(series) if key == "card-memory" else series.points()


def _throttling(state: RunState, glyphs: Glyphs) -> Drawing:
    """A lane for each card: a sign wherever it was slowed down."""
    cards = sorted(state.gpu_curves.items())
    found = [
        _marks([(x, float(index)) for x, held in curves.throttled if held], f"c{index % 8}", glyphs.warning)
        for index, curves in cards
    ]
    if any(layer.xs for layer in found):  # as wide as what was looked at, not as what was found
        looked = [curves.throttled.points() for _, curves in cards]
        ends = [min(points[0][0] for points in looked), max(points[-1][0] for points in looked)]
        found.insert(0, Layer(ends, [0.0, 0.0], "", "marks", " "))
    causes: dict[str, int] = {}
    for _, curves in cards:
        for cause, times in curves.causes.items():
            causes[cause] = causes.get(cause, 0) + times
    legend = tuple(
        (glyphs.warning, cause, f"{times:,} readings", "warning") for cause, times in causes.items()
    )
    empty = "no card was slowed down" if cards else "no readings yet"
    return Drawing(tuple(found), legend, "time", bounds=(-0.5, max(1, len(cards)) - 0.5), empty=empty)


def _of_machine(curve: Curve, state: RunState, glyphs: Glyphs) -> Drawing:
    if curve.key != "memory":
        series = state.cpu_curve if curve.key == "cpu" else state.host_memory_curve
        points = _gib(series) if curve.key == "host" else series.points()
        now = f"{points[-1][1]:.3g} {curve.unit}" if points else "—"
        lines = [_layer(points, "c0")]
        if curve.key == "host" and state.host.memory_total:
            lines.append(Layer([0.0], [state.host.memory_total / GIB], "faint", "level"))
        return Drawing(tuple(lines), ((glyphs.line, "now", now, "c0"),), "time", empty="no readings yet")
    held = state.memory_curves
    found: list[Layer] = []
    legend: list[Entry] = []
    for name, series, ink, sign in (
        ("allocated", held.allocated, "c0", "a"),
        ("reserved", held.reserved, "c1", "r"),
        ("on the device", held.device, "good", "d"),
    ):
        if points := _gib(series):
            found.append(_layer(points, ink, tag=sign))
            legend.append((sign, name, f"{points[-1][1]:.2f}", ink))
    if state.memory.predicted is not None and found:
        predicted = state.memory.predicted / GIB
        found.append(Layer([0.0], [predicted], "accent", "level"))
        legend.append((glyphs.level, "predicted", f"{predicted:.2f}", "accent"))
    return Drawing(tuple(found), tuple(legend), "time", empty="no readings yet")


def _overlaid(curve: Curve, sources: Sequence[Source], lens: Lens, glyphs: Glyphs) -> Drawing:
    found: list[Layer] = []
    legend: list[Entry] = []
    totals: list[float] = []
    axis: Axis = lens.axis if curve.of == "steps" else "time"
    for index, source in enumerate(sources):
        sign, ink = RUN_SIGNS[index % len(RUN_SIGNS)], RUN_INKS[index % len(RUN_INKS)]
        state = source.state
        if curve.of == "steps":
            raw, smooth = map(_along(state, axis), _course(curve.key, state, lens))
        else:
            raw, smooth = _of_all_cards(curve.key, state)
        points = smooth or raw
        found.append(_layer(points, ink, tag=sign))
        if smooth:  # below the lines the extremes, in one ink so that the runs can be told apart
            found.insert(0, _layer(raw, "guide", "dots"))
        if curve.key == "loss":
            found.append(_marks(_along(state, axis)(state.eval_curve.points()), ink, glyphs.point))
        legend.append((sign, source.name, f"{points[-1][1]:.4g}" if points else "—", ink))
        totals.append(_total(state, axis) or 0.0)
    longest = max(totals) if curve.of == "steps" else 0.0
    return Drawing(tuple(found), tuple(legend), axis, longest or None)


def _of_all_cards(key: str, state: RunState) -> tuple[Points, Points]:
    """All of a run: what its cards read, and the course of their mean; or what its machine says."""
    if key == "memory":
        return _gib(state.memory_curves.device), []
    if key in ("cpu", "host"):
        return _gib(state.host_memory_curve) if key == "host" else state.cpu_curve.points(), []
    cards = state.gpu_curves
    every = sorted((x, index, y) for index, card in cards.items() for x, y in _card_points(key, card))
    raw = [(x, y) for x, _, y in every]
    if len(cards) < 2:
        return raw, []
    latest: dict[int, float] = {}
    course: dict[float, float] = {}
    for x, index, y in every:
        latest[index] = y
        if len(latest) == len(cards):
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


def _gib(curve: Series) -> Points:
    return [(x, y / GIB) for x, y in curve]


def _layer(points: Points, ink: str, kind: Kind = "line", tag: str = "") -> Layer:
    return Layer([x for x, _ in points], [y for _, y in points], ink, kind, tag=tag)


def _marks(points: Points, ink: str, mark: str) -> Layer:
    return Layer([x for x, _ in points], [y for _, y in points], ink, "marks", mark)
