"""Catching up on a long log without folding all of it.

What happens once (phases, evaluations, scores, warnings, ends …) is always kept. Of what comes by the
hundred thousand, a block of the log keeps what its curves need: the first and the last step, and those with
the lowest and the highest value of each metric; the last `gpu`, `memory` and `heartbeat`, and the extremes
among the readings before. Those become events marked `PARTIAL`, of the time of the reading they were taken
from: they belong on the curves and say nothing of how things stand. Checkpoints and starts part a block: a
resume drops the steps behind one.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tuiftune.runs.log.columns import DAMAGED, Columns, parsed, parsed_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiftune.runs.log.columns import Event

FORM = "4"  # goes up when something else is kept: what was kept by an older form is not used then
BLOCKS = 1000  # over the whole backlog: as many as a curve has buckets
BLOCK_BYTES = 16 * 1024  # at least, and
BLOCK_MOST_BYTES = 2 * 1024 * 1024  # at most: what is held in memory, several times over
LINES_AT_ONCE = 300  # as events they take four times the memory: so few stay in the cache
OTHERS_MOST = 256  # so many of a type that is not frequent, the last and the first
PARTS_MOST = 24  # of a block; where there are more checkpoints, the last ones part it
READINGS = ("gpu", "memory", "heartbeat")  # the latest says how things stand

# Keys put on the last step of a block for `RunState`: how many steps it stands for (the others for none), and
# the mean of each metric over them.
STANDS_FOR = "_stands_for"
MEANS = "_means"

PARTIAL = "_partial"
CAUSES = "_causes"  # of a GPU: how many readings each cause of throttling was in, this one among them
HEAD = ("v", "seq", "t", "type", "clock")

Kept = dict[int, list[bytes]]  # by the line's number in its block


def block_bytes(backlog: int) -> int:
    """How long the blocks are that a backlog of so many bytes is cut into."""
    return min(BLOCK_MOST_BYTES, max(BLOCK_BYTES, backlog // BLOCKS))


def thinned(block: bytes) -> list[bytes]:
    """The lines of a block of whole lines that shape the folded state, in order, without their newlines.

    Damaged lines are included, so that they can be counted.
    """
    lines = [*filter(None, block.split(b"\n"))]
    del block  # it is as long as the lines
    kept, sound = _kept(lines, parsed_at_once)
    if not sound:
        kept, _ = _kept(lines, lambda some: [*map(parsed, some)])
    return [line for at in sorted(kept) for line in kept[at]]


def _kept(lines: Sequence[bytes], events_of: Callable[[Sequence[bytes]], list[Event]]) -> tuple[Kept, bool]:
    """What is kept, and whether all that was taken for an event is one."""
    columns = Columns()
    for first in range(0, len(lines), LINES_AT_ONCE):
        columns.take(first, events_of(lines[first : first + LINES_AT_ONCE]))
    kept: Kept = {}
    partings = [at for at in sorted(columns.partings)[-PARTS_MOST:] if at]
    for first, stop in pairwise([0, *partings, len(lines)]):
        for kind, places in columns.places.items():
            here = places[bisect_left(places, first) : bisect_left(places, stop)]
            if here:
                kept |= _of_kind(kind, here, columns, lines)
    damaged = {*columns.places.get(DAMAGED, ())}
    return kept, all(at in damaged or parsed(lines[at]) for at in kept)


def _of_kind(kind: str, places: Sequence[int], columns: Columns, lines: Sequence[bytes]) -> Kept:
    """Of the lines of one kind in one part of a block."""
    first, last = places[0], places[-1]
    if kind in READINGS:
        found = _partial(kind, columns, first, last, lambda at: parsed(lines[at]))
        return {at: [line] for at, line in found} | {last: [lines[last]]}
    seen = {name.field: one for name, one in columns.extremes(kind, first, last + 1)}
    picks = {first, last, *(at for one in seen.values() for at in (one.low_at, one.high_at))}
    if kind != "step":
        return {at: [lines[at]] for at in picks.union(places[-OTHERS_MOST:])}
    picks.update([at for at in columns.not_a_number if first <= at <= last][:1])
    kept: Kept = {}
    for at in picks:
        more = f',"{STANDS_FOR}":0'
        if at == last:
            means = {field: one.mean for field, one in seen.items()}
            more = f',"{STANDS_FOR}":{len(places)},"{MEANS}":{json.dumps(means)}'
        line = lines[at].rstrip()
        kept[at] = [line[:-1] + more.encode() + line[-1:]]
    return kept


def _partial(
    kind: str, columns: Columns, first: int, last: int, event_at: Callable[[int], Event]
) -> Iterator[tuple[int, bytes]]:
    """The extremes among the readings of one kind from `first` to `last`, which is kept whole: the place of
    the reading that each was taken from, and a line that holds it."""
    parts: dict[int, dict[int | None, dict[str, Any]]] = {}
    for (_, gpu, field), found in columns.extremes(kind, first, last + 1):
        for at, value in ((found.low_at, found.low), (found.high_at, found.high)):
            if found.last_at < last or value != found.last:
                parts.setdefault(at, {}).setdefault(gpu, {})[field] = value
    for gpu, told in columns.throttled.items() if kind == "gpu" else ():
        earlier = told[bisect_left(told, (first,)) : bisect_left(told, (last,))]
        if earlier:
            at, causes = earlier[0]
            times = Counter(cause for _, causes in earlier for cause in causes)
            parts.setdefault(at, {}).setdefault(gpu, {}).update({"throttle": causes, CAUSES: times})
    for at, by_gpu in parts.items():
        event = event_at(at)
        slim = {key: event[key] for key in HEAD if key in event} | by_gpu.pop(None, {})
        gpus = [{"index": gpu, **values} for gpu, values in by_gpu.items()]
        yield at, json.dumps({**slim, "gpus": gpus, PARTIAL: True}, separators=(",", ":")).encode()
