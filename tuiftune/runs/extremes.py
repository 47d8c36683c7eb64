"""What a long log keeps of the readings of cards, machine and memory: events that hold nothing but extremes.

Such an event has the time of the reading that it was taken from, and `PARTIAL`: it belongs on the curves and
says nothing of how things stand.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuiftune.documents import loads
from tuiftune.runs.events import EVENT_VERSION
from tuiftune.runs.readings import number, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

PARTIAL = "_partial"
CAUSES = "_causes"  # of a card: how many readings each cause of throttling was in, this one among them
# Which values are drawn, of a card and of all else.
CARD = ("utilisation", "memory_used", "power_w", "temperature_c")
WHOLE = {"gpu": ("cpu", "host_memory_used"), "memory": ("allocated", "reserved", "device")}

VALUE = r"([^,\n}]++)"
CARDS = re.compile(
    r'\{"index":([0-9]++),"name":"(?:[^"\\\n]|\\.)*+",'
    rf'"utilisation":{VALUE},"memory_used":{VALUE},"memory_total":[^,\n}}]++,"power_w":{VALUE},'
    rf'"temperature_c":{VALUE},"throttle":\[([^\]\n]*+)\]\}}',
    re.ASCII,
)
HOST = re.compile(rf'\],"cpu":{VALUE},"host_memory_used":{VALUE},', re.ASCII)

HEAD = re.compile(rb'"seq":([0-9]++),"t":([0-9.]++)')
CLOCK = re.compile(rb',"clock":([0-9.]++)\}\s*+$')

Event = Mapping[str, Any]
Column = tuple["Sequence[int]", "Sequence[float]"]  # numbers of readings in order, and their values
Name = tuple[int | None, str]  # a card's index, None for what is no card's, and the field
Throttled = list[tuple[int, tuple[str, ...]]]  # numbers of readings, and what slowed the card


def parsed(line: bytes) -> Event:
    """An event; {} for a damaged line."""
    try:
        event = loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def edges(values: Sequence[float]) -> tuple[int, ...]:
    """Where the lowest and the highest are; () without values."""
    return (values.index(min(values)), values.index(max(values))) if values else ()


def column(events: Mapping[int, Event], places: Iterable[int], name: str) -> tuple[list[int], list[float]]:
    """The finite numbers of that name in those of the events that have one, with their places."""
    found = [(at, value) for at in places if (value := number(events[at], name)) is not None]
    return [at for at, _ in found], [value for _, value in found]


def of_lines(kind: str, lines: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """The extremes among readings of one kind, as `runs.log` writes them: the number of the reading that each
    was taken from, and a line that holds it."""
    found = _quickly(lines) if kind == "gpu" else None
    if found is None:
        yield from of_events(kind, [parsed(line) for line in lines])
    else:
        yield from _lines(*found, len(lines), lambda at: _head(kind, lines[at]))


def _head(kind: str, line: bytes) -> Event:
    seq, t = HEAD.findall(line)[0]
    clock = CLOCK.search(line)
    head: dict[str, Any] = {"v": EVENT_VERSION, "seq": int(seq), "t": float(t), "type": kind}
    return head if clock is None else head | {"clock": float(clock[1])}


def of_events(kind: str, events: Sequence[Event]) -> Iterator[tuple[int, bytes]]:
    """The same of parsed events."""
    numbered = dict(enumerate(events))
    columns: dict[Name, Column] = {
        (None, name): column(numbered, numbered, name) for name in WHOLE.get(kind, ())
    }
    throttled: dict[int, Throttled] = {}
    cards: dict[int, dict[int, Event]] = {}
    for at, event in numbered.items() if kind == "gpu" else ():
        for card in cards_of(event):
            index = whole(card, "index") or 0
            cards.setdefault(index, {})[at] = card
            if causes := card.get("throttle"):
                throttled.setdefault(index, []).append((at, tuple(map(str, causes))))
    for index, found in cards.items():
        columns |= {(index, name): column(found, found, name) for name in CARD}
    yield from _lines(columns, throttled, len(events), events.__getitem__)


def cards_of(event: Event) -> Iterator[Event]:
    """The entries of a `gpu` event that are any."""
    cards = event.get("gpus")
    yield from (card for card in (cards if isinstance(cards, list) else ()) if isinstance(card, Mapping))


def _quickly(lines: Sequence[bytes]) -> tuple[dict[Name, Column], dict[int, Throttled]] | None:
    """The values of lines that have all the same cards; None where they haven't, or a value is no number."""
    text = b"\n".join(lines).decode("latin-1")
    cards, host = CARDS.findall(text), HOST.findall(text)
    each = len(cards) // len(lines)
    order = [card[0] for card in cards[:each]]
    if (
        [card[0] for card in cards] != order * len(lines)
        or len(host) != len(lines)
        or text.count('"index":') != len(cards)
    ):
        return None
    numbers = range(len(lines))
    columns: dict[Name, Column] = {}
    throttled: dict[int, Throttled] = {}
    try:
        for name, texts in zip(WHOLE["gpu"], zip(*host, strict=True), strict=True):
            columns[None, name] = numbers, _floats(texts)
        for place, index in enumerate(map(int, order)):
            _, *values, causes = zip(*cards[place::each], strict=True)
            columns |= {
                (index, name): (numbers, _floats(texts)) for name, texts in zip(CARD, values, strict=True)
            }
            if any(causes):
                throttled[index] = [(at, tuple(loads(f"[{told}]"))) for at, told in enumerate(causes) if told]
    except ValueError:
        return None
    return columns, throttled


def _floats(texts: Sequence[str]) -> list[float]:
    same = texts.count(texts[0]) == len(texts)  # as of much that is read every two seconds
    return [float(texts[0])] * len(texts) if same else list(map(float, texts))


def _lines(
    columns: Mapping[Name, Column],
    throttled: Mapping[int, Throttled],
    count: int,
    event_at: Callable[[int], Event],
) -> Iterator[tuple[int, bytes]]:
    """Readings that hold only their extremes. What the last of all says needs none: it is kept whole."""
    parts: dict[int, dict[int | None, dict[str, Any]]] = {}
    for (card, name), (places, values) in columns.items():
        last = values[-1] if places and places[-1] == count - 1 else None
        for at in edges(values):
            if values[at] != last and math.isfinite(values[at]):
                parts.setdefault(places[at], {}).setdefault(card, {})[name] = values[at]
    for card, found in throttled.items():
        earlier = [(at, causes) for at, causes in found if at < count - 1]
        if earlier:
            times = Counter(cause for _, causes in earlier for cause in causes)
            told = {"throttle": earlier[0][1], CAUSES: times}
            parts.setdefault(earlier[0][0], {}).setdefault(card, {}).update(told)
    for at, by_card in parts.items():
        event = event_at(at)
        cards = [{"index": card, **values} for card, values in by_card.items() if card is not None]
        slim = {key: event[key] for key in ("v", "seq", "t", "type", "clock") if key in event}
        slim |= by_card.get(None, {})
        yield at, json.dumps({**slim, "gpus": cards, PARTIAL: True}, separators=(",", ":")).encode()
