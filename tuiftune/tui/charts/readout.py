"""The values of all metrics at the cursor of the charts, or the latest, for each run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from tuiftune.figures import MISSING, count, duration, sizes
from tuiftune.metrics import of
from tuiftune.tui.kit.canvas import Canvas, Line
from tuiftune.tui.kit.chart.curves import RUN_INKS, RUN_SIGNS
from tuiftune.tui.kit.chart.timeline import Timeline, latest, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuiftune.metrics.metric import Metric
    from tuiftune.runs.state.readings import GpuCurves
    from tuiftune.runs.state.run_state import RunState
    from tuiftune.runs.state.series import Series
    from tuiftune.tui.kit.chart.curves import Source
    from tuiftune.tui.kit.chart.lens import Lens

Value = tuple[str, str]  # name and value


class Readout(Canvas):
    """All values of one run; for several runs one line each, after its letter."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id, classes=classes)
        self._sources: tuple[Source, ...] = ()
        self._at: float | None = None
        self._lens: Lens | None = None

    def show(self, sources: Sequence[Source], lens: Lens) -> None:
        """Show the values at the lens's cursor; without one, the latest of each run."""
        self._sources, self._lens, self._at = tuple(sources), lens, lens.cursor
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if self._lens is None:
            return []
        if len(self._sources) > 1:
            return [self._one(index, source, width) for index, source in enumerate(self._sources[:height])]
        state = self._sources[0].state
        values = [*_places(state, self._lens), *_values(state, self._lens)]
        lines = _filled([*values, *_each_gpu(state, self._lens)], width)
        if len(lines) > height and state.gpu_curves:  # the GPUs' memory includes the trainer's
            values = [value for value in values if value[0] != "memory"]
            lines = _filled([*values, *_all_gpus(state, self._lens)], width)
        return lines[:height]

    def _one(self, index: int, source: Source, width: int) -> Line:
        """Return one of several runs in one line: as many values as fit."""
        assert self._lens is not None
        line = Line(f" {RUN_SIGNS[index % len(RUN_SIGNS)]} ", RUN_INKS[index % len(RUN_INKS)])
        for name, value in (*_places(source.state, self._lens), *_values(source.state, self._lens)):
            if line.width + cell_len(name) + cell_len(value) + 1 <= width:
                line.add(f"{name} ", "soft").add(value, "strong").add("  ")
        return line


def _places(state: RunState, lens: Lens) -> Iterator[Value]:
    step, seconds = _where(state, lens)
    yield "step", f"{step:,.0f}"
    yield "time", duration(seconds)
    if state.tokens:
        yield "tokens", count(Timeline(state).place("tokens", step))


def _where(state: RunState, lens: Lens) -> tuple[float, float]:
    """Return step and seconds of the run at the cursor; its last ones beyond its end."""
    if lens.cursor is None:
        return float(state.step), state.seconds
    line = Timeline(state)
    cursor = min(lens.cursor, line.whole(lens.axis)[1])
    return line.step(lens.axis, cursor), line.seconds(lens.axis, cursor)


def _values(state: RunState, lens: Lens) -> Iterator[Value]:
    """Yield the values: by steps, those of the nearest recorded point; by time, the last reading before."""
    step, seconds = _where(state, lens)
    for metric in state.metrics():
        curve = state.curves[metric.name]
        if metric.chart and metric.event == "eval" and (held := latest(curve, step)) is not None:
            yield metric.label, f"{metric.written(held[1])} at {held[0]:,.0f}"
        elif metric.chart and metric.event == "step" and (metric.always or curve.last):
            yield metric.label, _near(metric, curve, step)
            if metric.name == "loss":
                yield "smooth", _near(metric, state.smooth_curve, step)
    if (held := latest(state.time_curves["device"], seconds)) is not None:
        measured, predicted = sizes(held[1], state.memory.predicted)
        beside = f" of {predicted} predicted" if state.memory.predicted else ""
        yield "memory", f"{measured}{beside}"
    if not state.gpu_curves and (load := latest(state.time_curves["cpu"], seconds)) is not None:
        yield "CPU", f"{load[1]:.0f}%"


def _each_gpu(state: RunState, lens: Lens) -> Iterator[Value]:
    _, seconds = _where(state, lens)
    for index, gpu in sorted(state.gpu_curves.items()):
        parts = [
            _with_unit(f"{reading[1] / unit:.{digits}f}", word)
            for curve, unit, digits, word in _of_gpu(gpu)
            if (reading := latest(curve, seconds)) is not None
        ]
        held = latest(gpu.curves["throttle"], seconds)
        yield f"GPU {index}", " ".join(parts) + (" throttled" if held and held[1] else "")


def _with_unit(number: str, unit: str) -> str:
    return f"{number}{unit}" if unit == "%" else f"{number} {unit}"


def _all_gpus(state: RunState, lens: Lens) -> Iterator[Value]:
    """Yield all GPUs in one value: the lowest and the highest of each reading."""
    _, seconds = _where(state, lens)
    parts = []
    for curves in zip(*(_of_gpu(gpu) for gpu in state.gpu_curves.values()), strict=True):
        seen = [reading[1] / unit for curve, unit, _, _ in curves if (reading := latest(curve, seconds))]
        _, _, digits, word = curves[0]
        if seen:
            low, high = f"{min(seen):.{digits}f}", f"{max(seen):.{digits}f}"
            parts.append(_with_unit(low if low == high else f"{low}–{high}", word))
    held = [latest(gpu.curves["throttle"], seconds) for gpu in state.gpu_curves.values()]
    throttled = sum(bool(reading and reading[1]) for reading in held)
    if parts:
        parts += [f"{throttled} throttled"] if throttled else []
        yield f"{len(held)} GPUs", " ".join(parts)


def _of_gpu(gpu: GpuCurves) -> list[tuple[Series, float, int, str]]:
    """Return each curve of a GPU with the scale of its unit, its digits and the unit's name."""
    return [
        (gpu.curves[metric.name], metric.scale, metric.digits, metric.drawn_unit)
        for metric in of("card")
        if metric.chart and metric.unit
    ]


def _filled(values: Sequence[Value], width: int) -> list[Line]:
    """Return the values one after another, on as many lines as needed."""
    lines: list[Line] = []
    line = Line(" ")
    for name, value in values:
        if line.width + cell_len(name) + cell_len(value) + 2 > width:
            lines.append(line)
            line = Line(" ")
        line.add(f"{name} ", "soft").add(value, "strong").add("  ")
    return [*lines, line]


def _near(metric: Metric, curve: Series, step: float) -> str:
    point = nearest(curve, step)
    if point is None:
        return MISSING
    away = "" if abs(point[0] - step) < 1 else f" at {point[0]:,.0f}"
    return metric.written(point[1], metric.digits) + away
