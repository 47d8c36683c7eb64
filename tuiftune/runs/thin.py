"""Catching up on a long log without parsing all of it.

What happens once (phases, evaluations, scores, warnings, ends …) is always kept. Of what comes by the
hundred thousand, a block of the log keeps what its curves need: the first and the last step, and those with
the lowest and the highest value of each metric; the last `gpu`, `memory` and `heartbeat`, and the extremes
among the readings before (`runs.extremes`). Checkpoints and starts part a block: a resume drops the steps
behind one.
"""

from __future__ import annotations

import json
import math
import re
from itertools import compress, pairwise
from typing import TYPE_CHECKING

from tuiftune.runs import extremes
from tuiftune.runs.extremes import column, edges, parsed
from tuiftune.runs.readings import number, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORM = "2"  # goes up when something else is kept: what was kept by an older form is not used then
BLOCKS = 1500  # over the whole backlog: more than any plot has columns
BLOCK_BYTES = 16 * 1024  # at least, and
BLOCK_MOST_BYTES = 4 * 1024 * 1024  # at most: what is held in memory, several times over
RARE_MOST = 24  # lines of one block that are kept unparsed; when there are more, they are sifted:
OTHERS_MOST = 256  # so many of a type that is not frequent, the last and the first
LONGEST = 22  # characters of a plain decimal as Python writes it: 0.0001 and 16 figures more
PARTS_MOST = 24  # of a block; where there are more checkpoints, the last ones part it

# A usual line of a frequent type, as `runs.log` writes it, with the values of a step that are drawn. Another
# line fills no group and is looked at like a rare one. Nothing in it gives back what it took (`++`).
DRAWN = ("loss", "lr", "grad_norm", "tokens_per_second")
LINE = re.compile(
    r'(?:\{"v":[0-9]++,"seq":[0-9]++,"t":[0-9.]++,"type":"(?:'
    r'step","step":[0-9]++,"loss":(-?[0-9][^,\n}]*+)(?:,"lr":([^,\n}]++))?+(?:,"grad_norm":([^,\n}]++))?+'
    r'(?:,"tokens":[^,\n}]++)?+(?:,"tokens_per_second":([^,\n}]++))?+'
    r'|(gpu|memory(?!"[^\n]*"rehearsal":)|heartbeat)"))?+.*+\n',
    re.ASCII,
)
LOSS, KIND = 0, len(DRAWN)  # groups: of a step, and of what the next of its kind supersedes
PARTING = re.compile(rb'"type":\s*+"(?:checkpoint"|start"|phase",\s*+"name":\s*+"loading")')

# Keys put on the last step of a block for `RunState`: how many steps it stands for (the others for none), and
# the mean of each metric over them.
STANDS_FOR = "_stands_for"
MEANS = "_means"

Kept = dict[int, list[bytes]]  # by the line's number in its block
Columns = dict[str, tuple[list[int], list[float]]]  # of each metric, numbers of lines and values


def block_bytes(backlog: int) -> int:
    """How long the blocks are that a backlog of so many bytes is cut into."""
    return min(BLOCK_MOST_BYTES, max(BLOCK_BYTES, backlog // BLOCKS))


def thinned(block: bytes) -> list[bytes]:
    """The lines of a block of whole lines that shape the folded state, in order, without their newlines.

    Damaged lines are among them, for whoever counts those.
    """
    lines = block.split(b"\n")[:-1]
    if not lines:
        return []
    groups = list(zip(*LINE.findall(block.decode("latin-1")), strict=True))  # numbers parse faster from text
    usual = {*compress(range(len(lines)), groups[LOSS]), *compress(range(len(lines)), groups[KIND])}
    rare = (
        [at for at in range(len(lines)) if at not in usual and lines[at]] if len(usual) < len(lines) else []
    )
    parting = [at for at in rare if PARTING.search(lines[at])]
    kept: Kept = {}
    for first, last in pairwise([0, *(at for at in parting[-PARTS_MOST:] if at), len(lines)]):
        others = [at for at in rare if first <= at < last] if parting else rare
        try:
            kept |= _frequent(lines, [group[first:last] for group in groups], first)
        except ValueError:  # no number where one must be
            others = [at for at in range(first, last) if lines[at]]
        kept |= _sifted(lines, others) if len(others) > RARE_MOST else {at: [lines[at]] for at in others}
    return [line for at in sorted(kept) for line in kept[at]]


def _frequent(lines: Sequence[bytes], groups: Sequence[Sequence[str]], first: int) -> Kept:
    """What is kept of the frequent lines among those from `first` on, by the groups of each."""
    numbers = range(first, first + len(groups[LOSS]))
    steps = list(compress(numbers, groups[LOSS]))
    columns: Columns = {}
    for name, group in zip(DRAWN, groups, strict=False):
        texts = list(compress(group, groups[LOSS]))
        try:
            columns[name] = steps, _numbers(texts)
        except ValueError:
            there = [(at, float(text)) for at, text in zip(steps, texts, strict=True) if _there(text)]
            columns[name] = [at for at, _ in there], [value for _, value in there]
    kept = _weighed(lines, steps, columns)
    superseded: dict[str, list[int]] = {}
    for at, kind in compress(zip(numbers, groups[KIND], strict=True), groups[KIND]):
        superseded.setdefault(kind, []).append(at)
    for kind, places in superseded.items():
        found = extremes.of_lines(kind, [lines[at] for at in places])
        kept |= {places[number]: [line] for number, line in found} | {places[-1]: [lines[places[-1]]]}
    return kept


def _numbers(texts: Sequence[str]) -> list[float]:
    """Of plain decimals 15 figures, which read in half the time."""
    if not texts or "e" in "".join(texts) or len(max(texts, key=len)) > LONGEST:
        return list(map(float, texts))
    return [float(text[:16]) for text in texts]


def _there(text: str) -> bool:
    return text not in ("", "null")


def _weighed(lines: Sequence[bytes], steps: Sequence[int], columns: Columns) -> Kept:
    """The steps to keep, with what they stand for: the last for all there were."""
    if not steps:
        return {}
    picks, means = {steps[0], steps[-1]}, {}
    for name, (places, values) in columns.items():
        if values and not (math.isfinite(min(values)) and math.isfinite(max(values))):
            sound = [(at, value) for at, value in zip(places, values, strict=True) if math.isfinite(value)]
            places, values = [at for at, _ in sound], [value for _, value in sound]
        if values:
            picks |= {places[values.index(min(values))], places[values.index(max(values))]}
            means[name] = sum(values) / len(values)
    kept: Kept = {}
    for at in picks:
        more = f',"{STANDS_FOR}":0'
        if at == steps[-1]:
            more = f',"{STANDS_FOR}":{len(steps)},"{MEANS}":{json.dumps(means)}'
        line = lines[at].rstrip()
        kept[at] = [line[:-1] + more.encode() + line[-1:]]
    return kept


def _sifted(lines: Sequence[bytes], places: Iterable[int]) -> Kept:
    """The same for many lines not in our form (another writer's, or mostly damaged): each is parsed."""
    events = {at: parsed(lines[at]) for at in places}
    steps = [
        at
        for at, event in events.items()
        if event.get("type") == "step" and number(event, "loss") is not None
    ]
    kept = _weighed(lines, steps, {name: column(events, steps, name) for name in DRAWN})
    others: dict[str, list[int]] = {}
    for at in sorted(events.keys() - set(steps)):
        rehearsal = " of the rehearsal" if events[at].get("rehearsal") else ""
        others.setdefault(text(events[at], "type") + rehearsal, []).append(at)
    picks: set[int] = set()
    for kind, found in others.items():
        if kind in ("gpu", "memory", "heartbeat"):
            kept |= {found[at]: [line] for at, line in extremes.of_events(kind, [events[at] for at in found])}
            picks.add(found[-1])
            continue
        at_losses, losses = column(events, found, "loss")  # of evaluations
        picks |= {found[0], *found[-OTHERS_MOST:], *(at_losses[at] for at in edges(losses))}
    return kept | {at: [lines[at]] for at in picks}
