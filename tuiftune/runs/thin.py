"""Catching up on a long log without parsing all of it.

What happens once (phases, evaluations, scores, warnings, ends …) is always kept. Of what comes by the hundred
thousand, a block of the log keeps the first and the last step and those with the lowest and the highest loss,
so that a curve keeps its spikes, and the last `gpu`, `memory` and `heartbeat`.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from tuiftune.documents import loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORM = "1"  # goes up when something else is kept: what was kept by an older form is not used then
BLOCKS = 1500  # over the whole backlog: more than any plot has columns
BLOCK_BYTES = 16 * 1024  # at least, and
BLOCK_MOST_BYTES = 4 * 1024 * 1024  # at most: what is held in memory, several times over
RARE_MOST = 24  # lines of one block that are kept unparsed; when there are more, they are sifted:
OTHERS_MOST = 256  # so many of a type that is not frequent, the last and the first

# A usual line of a frequent type, as `runs.log` writes it. Whatever differs is looked at like a rare one.
# Nothing in it gives back what it took (`++`), and it takes the rest of the line along: half the time.
FREQUENT = re.compile(
    r'\{"v":\d++,"seq":[0-9]++,"t":[0-9.]++,"type":"'
    r'(?:step","step":[0-9]++,"loss":(-?[0-9][^,\n]*+)|(?:gpu|memory|heartbeat)").*+\n',
    re.ASCII,
)
STEP = '"type":"step"'
SUPERSEDED = ("gpu", "memory", "heartbeat")
LATEST = tuple(f'"type":"{kind}"' for kind in SUPERSEDED)

# Keys put on thinned steps for `RunState`: how many steps this one stands for, and their mean loss.
STANDS_FOR = "_stands_for"
MEAN_LOSS = "_mean_loss"


def block_bytes(backlog: int) -> int:
    """How long the blocks are that a backlog of so many bytes is cut into."""
    return min(BLOCK_MOST_BYTES, max(BLOCK_BYTES, backlog // BLOCKS))


def thinned(block: bytes) -> list[bytes]:
    """The lines of a block of whole lines that shape the folded state, in order, without their newlines.

    Damaged lines are among them, for whoever counts those.
    """
    text = block.decode("latin-1")  # a character a byte, so places are the same; numbers parse faster from it
    found = FREQUENT.findall(text)
    raw = list(filter(None, found))
    try:
        losses = list(map(float, raw))
        if not math.isfinite(sum(losses)):
            raise ValueError
    except ValueError:
        return _in_order(_sifted(block, _lines(text, 0, len(text))))
    picks: set[int] = set()
    if losses:
        lowest, highest = raw[losses.index(min(losses))], raw[losses.index(max(losses))]
        picks = {_step_with(text, f'"loss":{loss},') for loss in (lowest, highest)}
        picks |= {text.find(STEP), text.rfind(STEP)}
    if len(raw) < len(found):
        picks |= {text.rfind(kind) for kind in LATEST}
    starts = sorted({text.rfind("\n", 0, at) + 1 for at in picks if at >= 0})
    steps = [start for start in starts if (seen := FREQUENT.match(text, start)) and seen[1]]
    kept = _weighed({start: _line(block, start) for start in starts}, steps, losses)
    if len(found) != text.count("\n"):
        rare = list(_rare(text))
        kept |= _sifted(block, rare) if len(rare) > RARE_MOST else {at: _line(block, at) for at in rare}
    return _in_order(kept)


def _line(block: bytes, start: int) -> bytes:
    return block[start : block.index(b"\n", start)]


def _in_order(lines: dict[int, bytes]) -> list[bytes]:
    return [line for _, line in sorted(lines.items())]


def _step_with(text: str, mark: str) -> int:
    """Where a step's line holds `mark`; -1 if none does."""
    at = text.find(mark)
    while at >= 0 and text.find(STEP, text.rfind("\n", 0, at) + 1, at) < 0:
        at = text.find(mark, at + 1)
    return at


def _weighed(lines: dict[int, bytes], steps: list[int], losses: list[float]) -> dict[int, bytes]:
    """The lines by their places, those of steps with what they stand for: the last for all there were."""
    for at in steps:
        more = f',"{STANDS_FOR}":0'
        if at == steps[-1]:
            more = f',"{STANDS_FOR}":{len(losses)},"{MEAN_LOSS}":{sum(losses) / len(losses)!r}'
        line = lines[at].rstrip()
        lines[at] = line[:-1] + more.encode() + line[-1:]
    return lines


def _rare(text: str) -> Iterator[int]:
    """Where the lines begin that are not of a frequent type: those between the ones that are."""
    end = 0
    for seen in FREQUENT.finditer(text):
        yield from _lines(text, end, seen.start())
        end = seen.end()
    yield from _lines(text, end, len(text))


def _lines(text: str, start: int, stop: int) -> Iterator[int]:
    """Where lines begin that are not empty."""
    while start < stop:
        if text[start] != "\n":
            yield start
        start = text.index("\n", start) + 1


def _sifted(block: bytes, places: Iterable[int]) -> dict[int, bytes]:
    """The same for many lines not in our form (another writer's, or mostly damaged): each is parsed."""
    steps: list[tuple[float, int]] = []
    others: dict[str, list[int]] = {}
    for at in places:
        kind, loss = _kind_and_loss(_line(block, at))
        if kind == "step" and loss is not None:
            steps.append((loss, at))
        else:
            others.setdefault(kind, []).append(at)
    picks: set[int] = set()
    for kind, found in others.items():
        picks.update(found[-1:] if kind in SUPERSEDED else (found[0], *found[-OTHERS_MOST:]))
    marked = sorted({steps[0][1], min(steps)[1], max(steps)[1], steps[-1][1]}) if steps else []
    lines = {at: _line(block, at) for at in (*picks, *marked)}
    return _weighed(lines, marked, [loss for loss, _ in steps])


def _kind_and_loss(line: bytes) -> tuple[str, float | None]:
    """Type and finite loss of a line; "" for a damaged one."""
    try:
        event = loads(line)
    except ValueError:
        return "", None
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str):
        return "", None
    loss = event.get("loss")
    usable = isinstance(loss, int | float) and not isinstance(loss, bool) and math.isfinite(loss)
    return kind, float(loss) if usable else None
