"""A part of a run read again from its log: every point of it, where the folded state keeps only some.

Steps go up along a log (but for a resume, which repeats some), so the part is found by probing. Of a long
part, what shapes its curves is kept (`tuiftune.runs.log.thin`), lowest and highest losses among it.
"""

from __future__ import annotations

import math
import os
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from tuiftune.documents import opened
from tuiftune.errors import UserError
from tuiftune.runs.log.lines import WholeLines, parse_line
from tuiftune.runs.log.scan import scan
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.state.series import Curves, Series, interpolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENOUGH = 800  # points kept within a part: more than a chart has columns
MARGIN = 0.5  # of the part, read at either side of it: moving along needs no new reading
PROBES = 64
PROBE_BYTES = 16 * 1024
PASSES = 5
WHOLE_BYTES = 4 * 1024 * 1024  # as much is read line by line
MOST_BYTES = 512 * 1024 * 1024  # of more than that (two seconds of the CPU) the state keeps enough
CHUNK_BYTES = 256 * 1024
REPEATED_BYTES = 8 * 1024 * 1024  # a resume repeats less than that
STEP = re.compile(rb'"type":"step","step":(\d++)')


@dataclass(frozen=True, slots=True)
class Part:
    """The steps first…last of a run that are asked for, and what its state knew of them then."""

    first: float
    last: float
    seq: int
    resumed: bool
    seconds: tuple[tuple[float, float], ...]  # of the run, at steps

    def covers(self, first: float, last: float) -> bool:
        """Whether it shows these steps as closely as reading them would, about; a quarter may be newer."""
        span = last - first
        close = self.last - self.first <= (2 + 4 * MARGIN) * span
        return close and self.first <= first and last - span / 4 <= self.last


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part that was read; `state` holds its curves."""

    part: Part
    state: RunState

    def within(self, state: RunState) -> RunState:
        """The state with this part of its curves in full."""
        near = self.state
        return replace(
            state,
            seconds_curve=_Spliced(state.seconds_curve, near.seconds_curve),
            curves=_spliced(state.curves, near.curves),
            time_curves=_spliced(state.time_curves, near.time_curves),
            gpu_curves={
                index: replace(gpu, curves=_spliced(gpu.curves, near.gpu_curves[index].curves))
                if index in near.gpu_curves
                else gpu
                for index, gpu in state.gpu_curves.items()
            },
        )


class _Spliced(Series):
    """A curve with a part of it in full."""

    __slots__ = ("_near", "_whole")

    def __init__(self, whole: Series, near: Series) -> None:
        super().__init__()
        self._whole, self._near = whole, near
        self.count, self.last = whole.count, whole.last

    def points(self) -> list[tuple[float, float]]:
        near, whole = self._near.points(), self._whole.points()
        if not near:
            return whole
        before = bisect_left(whole, (near[0][0],))
        return whole[:before] + near + whole[bisect_right(whole, (near[-1][0], math.inf)) :]


def _spliced(whole: Curves, near: Curves) -> Curves:
    return Curves({name: _Spliced(curve, near[name]) for name, curve in whole.items()})


def wanted(state: RunState, first: float, last: float) -> bool:
    """Whether the state keeps less of the steps first…last than there is and than a chart shows."""
    points = state.curves["loss"].points()
    kept = bisect_right(points, (last, math.inf)) - bisect_left(points, (first,))
    return kept < min(ENOUGH, math.floor(last) - math.ceil(first))


def part(state: RunState, first: float, last: float) -> Part:
    """Return the steps first…last and some around them, as far as `state` has come."""
    margin = MARGIN * (last - first)
    wide = max(0.0, first - margin), min(last + margin, float(state.step))
    return Part(*wide, state.seq, state.starts > 1, tuple(state.seconds_curve.points()))


def read(log: Path, part: Part, go_on: Callable[[], bool] = lambda: True) -> Stretch | None:
    """A part of a log; takes up to seconds.

    None where the part is too long to be worth it, the log is gone, or `go_on` says no.
    """
    near, inside = RunState(), False
    try:
        with opened(log) as file:
            start, stop = _bytes_of(file.fileno(), part.first, part.last)
            if stop - start > MOST_BYTES:
                return None
            places = [(start, stop), *(_repeated(file.fileno(), stop, part.last) if part.resumed else ())]
            for lines in chain.from_iterable(_lines(file.fileno(), *place) for place in places):
                if not go_on():
                    return None
                inside = _fold(near, lines, part, inside)
    except (OSError, UserError):
        return None
    return Stretch(part, near)


def _fold(near: RunState, lines: list[bytes], part: Part, inside: bool) -> bool:
    """Take in what lies within the part, at its time in the whole run; whether its end is within too."""
    for line in lines:
        event = parse_line(line)
        if event is None or not isinstance(event.get("seq"), int) or event["seq"] > part.seq:
            continue
        step = event.get("step")
        if event["type"] == "step" and isinstance(step, int):
            entered, inside = not inside, part.first <= step <= part.last
            if entered and inside:
                near.seconds = interpolated([x for x, _ in part.seconds], [y for _, y in part.seconds], step)
                near.last_at = near.last_clock = None
        if inside:
            near.fold(event)
    return inside


def _lines(descriptor: int, start: int, stop: int) -> Iterator[list[bytes]]:
    if stop - start > WHOLE_BYTES:
        for _, kept in scan(descriptor, start, stop):
            yield kept
        return
    lines = WholeLines(start)
    while lines.offset < stop and (data := lines.take(descriptor, CHUNK_BYTES)):
        yield data.split(b"\n")


def _bytes_of(descriptor: int, first: float, last: float) -> tuple[int, int]:
    """Where in the log the steps first…last lie: a stretch of whole lines that holds them all."""
    start, stop = 0, os.fstat(descriptor).st_size
    for _ in range(PASSES):
        every = (stop - start) // PROBES
        if every < PROBE_BYTES:
            break
        found = [_probe(descriptor, start + number * every) for number in range(1, PROBES)]
        marks = [(start, -math.inf), *filter(None, found), (stop, math.inf)]
        held = [
            (at, end)
            for (at, step), (end, later) in pairwise(marks)
            if max(step, later) >= first and min(step, later) <= last
        ]
        fresh = (held[0][0], held[-1][1]) if held else (start, stop)
        shorter = fresh[1] - fresh[0] < (stop - start) // 2
        start, stop = fresh
        if not shorter:
            break
    return start, stop


def _repeated(descriptor: int, after: int, last: float) -> tuple[tuple[int, int], ...]:
    """Where steps up to `last` come again behind `after`: a run that was resumed did them once more."""
    data = os.pread(descriptor, REPEATED_BYTES, after)
    again = [found.start() for found in STEP.finditer(data) if int(found[1]) <= last]
    if not again:
        return ()
    begin, end = data.rfind(b"\n", 0, again[0]) + 1, data.find(b"\n", again[-1]) + 1
    return ((after + begin, after + (end or len(data))),)


def _probe(descriptor: int, at: int) -> tuple[int, float] | None:
    """The first step's line after a place of the log: where it begins, and its step."""
    data = os.pread(descriptor, PROBE_BYTES, at)
    begin = data.find(b"\n") + 1
    for line in data[begin:].split(b"\n")[:-1]:
        event = parse_line(line)
        if event is not None and event["type"] == "step" and isinstance(event.get("step"), int):
            return at + begin, float(event["step"])
        begin += len(line) + 1
    return None
