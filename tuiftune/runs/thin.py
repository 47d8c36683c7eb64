"""Catching up on a long log without parsing all of it.

What happens once (phases, evaluations, scores, warnings, ends …) is always parsed. Of what comes by the
hundred thousand, a block of the log keeps the first and the last step and those with the lowest and the
highest loss, so that a curve keeps its spikes, and the last `gpu`, `memory` and `heartbeat`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.runs.events import Event

BLOCKS = 1500  # over the whole backlog: more than any plot has columns
BLOCK_BYTES = 16 * 1024  # at least

# A usual line of a frequent type, as `runs.log` writes it. Whatever differs is parsed like a rare one.
FREQUENT = re.compile(
    r'\{"v":\d+,"seq":\d+,"t":[0-9.]+,"type":"'
    r'(?:step","step":\d+,"loss":(-?[0-9][0-9.eE+-]*)|(?:gpu|memory|heartbeat)")'
)
STEP = '"type":"step"'
LATEST = (STEP, '"type":"gpu"', '"type":"memory"', '"type":"heartbeat"')

# Keys put on thinned steps for `RunState`: how many steps this one stands for, and their mean loss.
STANDS_FOR = "_stands_for"
MEAN_LOSS = "_mean_loss"


def block_bytes(backlog: int) -> int:
    """How long the blocks are that a backlog of so many bytes is cut into."""
    return max(BLOCK_BYTES, backlog // BLOCKS)


def thinned(block: bytes, parse: Callable[[list[bytes]], list[Event]]) -> list[Event]:
    """The events of a block of whole lines that shape the folded state, in order."""
    text = block.decode(
        "latin-1"
    )  # a character a byte, so places are the same; numbers parse faster from text
    found = FREQUENT.findall(text)
    raw = list(filter(None, found))
    try:
        losses = list(map(float, raw))
    except ValueError:
        return parse(block.split(b"\n"))
    picks = {text.rfind(kind) for kind in LATEST}
    if losses:
        lowest, highest = raw[losses.index(min(losses))], raw[losses.index(max(losses))]
        picks |= {text.find(mark) for mark in (STEP, f'"loss":{lowest},', f'"loss":{highest},')}
    starts = {text.rfind("\n", 0, at) + 1 for at in picks if at >= 0}
    if len(found) != text.count("\n"):
        starts.update(_rare(text))
    events = parse([block[start : block.index(b"\n", start)] for start in sorted(starts)])
    if losses:
        _weigh([event for event in events if event["type"] == "step"], losses)
    return events


def _weigh(steps: list[Event], losses: list[float]) -> None:
    for event in steps:
        event[STANDS_FOR] = 0
    if steps:
        steps[-1][STANDS_FOR] = len(losses)
        steps[-1][MEAN_LOSS] = sum(losses) / len(losses)


def _rare(text: str) -> Iterator[int]:
    """Where the lines begin that are not of a frequent type."""
    start = 0
    for line in text.split("\n"):
        if line and FREQUENT.match(line) is None:
            yield start
        start += len(line) + 1
