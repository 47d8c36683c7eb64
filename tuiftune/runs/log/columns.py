"""What the events of a long log measured, a column for each metric: read many at once, for their extremes."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from tuiftune import metrics
from tuiftune.metrics.metric import BY_STEP
from tuiftune.runs.log.events import is_preflight
from tuiftune.runs.log.lines import parse_line
from tuiftune.runs.state.readings import MOST, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Event = Mapping[str, Any]
NUMBERS = {int, float}  # not bool
_KIND = itemgetter("type")
PARTINGS = {"loading", "saving"}  # phases: a checkpoint is told of once it is sealed, after further steps
DAMAGED = ""  # the kind of a line that is no event


class Name(NamedTuple):
    """Of a column: kind of event, index of the GPU, None for what is no GPU's, and the field."""

    kind: str
    gpu: int | None
    field: str


class Extremes(NamedTuple):
    """Of a column: its lowest, highest and last value, each after its place, and the mean of all."""

    low_at: int
    low: float
    high_at: int
    high: float
    last_at: int
    last: float
    mean: float


class Columns:
    """Gathered from events in order of their places, the numbers of their lines in a block."""

    def __init__(self) -> None:
        self.places: dict[str, list[int]] = {}  # by kind
        self.partings: list[int] = []  # where a resume may go back to, or goes back
        self.not_a_number: list[int] = []  # steps
        self.throttled: dict[int, list[tuple[int, tuple[str, ...]]]] = {}  # by GPU: places and causes
        self._columns: dict[Name, tuple[list[int], list[Any]]] = {}

    def take(self, first: int, events: Sequence[Event]) -> None:
        """Take in the next events, the first of which has that place."""
        try:
            kinds = [*map(_KIND, events)]
        except KeyError:
            kinds = [event.get("type", DAMAGED) for event in events]
        for kind in set(kinds):
            chosen = [one == kind for one in kinds]
            places = [*compress(range(first, first + len(kinds)), chosen)]
            self._take(kind, places, [*compress(events, chosen)])

    def _take(self, kind: str, places: list[int], events: list[Event]) -> None:
        if any(aside := _aside(kind, events)):
            self.places.setdefault(f"{kind} aside", []).extend(compress(places, aside))
            others = [not one for one in aside]
            places, events = [*compress(places, others)], [*compress(events, others)]
            if not places:
                return
        self.places.setdefault(kind, []).extend(places)
        complete = {
            field: self._note(Name(kind, None, field), places, events) for field in _drawn(kind, events)
        }
        if kind == "step" and not all(complete.get(field) for field in metrics.VITAL):
            self.not_a_number += _where(places, events, _not_a_number)
        elif kind == "gpu":
            self._gpus(places, events)
        elif kind in ("checkpoint", "start"):
            self.partings += places
        elif kind == "phase":
            self.partings += _where(places, events, lambda event: event.get("name") in PARTINGS)

    def _note(self, name: Name, places: Sequence[int], events: Sequence[Event]) -> bool:
        """Returns whether each of the events has a number of that name."""
        try:
            values = [*map(itemgetter(name.field), events)]
        except KeyError:
            values = [event.get(name.field) for event in events]
        complete = {*map(type, values)} <= NUMBERS
        if not complete:
            chosen = [type(value) in NUMBERS for value in values]
            places, values = [*compress(places, chosen)], [*compress(values, chosen)]
        at, seen = self._columns.setdefault(name, ([], []))
        at += places
        seen += values
        return complete

    def _gpus(self, places: Sequence[int], events: Sequence[Event]) -> None:
        found: dict[int, tuple[list[int], list[Event]]] = {}
        for at, event in zip(places, events, strict=True):
            for gpu in gpus_of(event):
                index = gpu.get("index")
                index = index if type(index) is int else whole(gpu, "index") or 0
                at_gpu, gpus = found.setdefault(index, ([], []))
                at_gpu.append(at)
                gpus.append(gpu)
        for index, (at_gpu, gpus) in found.items():
            for field in _drawn("card", ()):
                self._note(Name("gpu", index, field), at_gpu, gpus)
            causes = [gpu.get("throttle") for gpu in gpus]
            if any(causes):
                self.throttled.setdefault(index, []).extend(
                    (at, tuple(map(str, told)))
                    for at, told in zip(at_gpu, causes, strict=True)
                    if told and isinstance(told, list)
                )

    def extremes(self, kind: str, first: int, stop: int) -> Iterator[tuple[Name, Extremes]]:
        """Of each column of that kind, of the places from `first` to before `stop`."""
        for name, (places, values) in self._columns.items():
            if name.kind == kind:
                low, high = bisect_left(places, first), bisect_left(places, stop)
                found = _extremes(places[low:high], values[low:high])
                if found is not None:
                    yield name, found


def _extremes(places: Sequence[int], values: Sequence[Any]) -> Extremes | None:
    if not values:
        return None
    low, high = min(values), max(values)
    if low >= -MOST and high <= MOST and math.isfinite(total := sum(values)):
        low_at, high_at = places[values.index(low)], places[values.index(high)]
        return Extremes(low_at, low, high_at, high, places[-1], values[-1], total / len(values))
    chosen = [abs(value) <= MOST for value in values]  # false for what is not a number
    return _extremes([*compress(places, chosen)], [*compress(values, chosen)])


def _aside(kind: str, events: Sequence[Event]) -> list[bool]:
    """Which of them are kept like rare ones: no sign of how things stand, or without a place on a curve."""
    if kind == "memory":
        return [is_preflight(event) for event in events]
    if kind != "step":
        return []
    try:
        if {*map(type, map(itemgetter("step"), events))} <= NUMBERS:
            return []
    except KeyError:
        pass
    return [type(event.get("step")) not in NUMBERS for event in events]


def _drawn(kind: str, events: Sequence[Event]) -> Iterable[str]:
    """The keys of the values that are drawn, of events and of the GPUs in them."""
    if kind not in BY_STEP:
        return _drawn_of(kind, tuple(metric.key for metric in metrics.of(kind) if metric.unit))
    return {key for keys in {*map(tuple, events)} for key in _drawn_of(kind, keys)}


@lru_cache
def _drawn_of(kind: str, keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if (metric := metrics.find(kind, key)) is not None and metric.chart]


def _where(places: Sequence[int], events: Sequence[Event], true: Callable[[Event], bool]) -> Iterator[int]:
    return compress(places, map(true, events))


def _not_a_number(event: Event) -> bool:
    return any(f"{key}_text" in event for key in metrics.VITAL)


def gpus_of(event: Event) -> list[Event]:
    """The entries of a `gpu` event that are any."""
    gpus = event.get("gpus")
    if type(gpus) is list and len(gpus) == 1 and type(gpus[0]) is dict:
        return gpus
    return [gpu for gpu in gpus if isinstance(gpu, dict)] if isinstance(gpus, list) else []


def parsed(line: bytes) -> Event:
    """An event; {} for a damaged line."""
    return parse_line(line) or {}


def parsed_at_once(lines: Sequence[bytes]) -> list[Event]:
    """The same of many, by a parser that is stricter: what it refuses is parsed line by line."""
    import orjson  # which takes longer than a short log

    try:
        events = orjson.loads(b"[" + b",".join(lines) + b"]")
        kinds = {type(event["type"]) for event in events}
    except (ValueError, TypeError, KeyError):
        events, kinds = [], set()
    if len(events) == len(lines) and kinds <= {str}:
        return list(events)
    if len(lines) == 1:
        return [parsed(lines[0])]
    half = len(lines) // 2
    return parsed_at_once(lines[:half]) + parsed_at_once(lines[half:])
