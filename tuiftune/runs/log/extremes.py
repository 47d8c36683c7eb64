"""What a long log keeps of the readings of cards, machine and memory: events that hold nothing but extremes.

Such an event has the time of the reading that it was taken from, and `PARTIAL`: it belongs on the curves and
says nothing of how things stand.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.runs.log.columns import Columns, Event

PARTIAL = "_partial"
CAUSES = "_causes"  # of a card: how many readings each cause of throttling was in, this one among them
HEAD = ("v", "seq", "t", "type", "clock")


def partial(
    kind: str, columns: Columns, first: int, last: int, event_at: Callable[[int], Event]
) -> Iterator[tuple[int, bytes]]:
    """The extremes among the readings of one kind from `first` to `last`, which is kept whole: the place of
    the reading that each was taken from, and a line that holds it."""
    parts: dict[int, dict[int | None, dict[str, Any]]] = {}
    for (_, card, field), found in columns.extremes(kind, first, last + 1):
        for at, value in ((found.low_at, found.low), (found.high_at, found.high)):
            if found.last_at < last or value != found.last:
                parts.setdefault(at, {}).setdefault(card, {})[field] = value
    for card, told in columns.throttled.items() if kind == "gpu" else ():
        earlier = told[bisect_left(told, (first,)) : bisect_left(told, (last,))]
        if earlier:
            at, causes = earlier[0]
            times = Counter(cause for _, causes in earlier for cause in causes)
            parts.setdefault(at, {}).setdefault(card, {}).update({"throttle": causes, CAUSES: times})
    for at, by_card in parts.items():
        event = event_at(at)
        slim = {key: event[key] for key in HEAD if key in event} | by_card.pop(None, {})
        cards = [{"index": card, **values} for card, values in by_card.items()]
        yield at, json.dumps({**slim, "gpus": cards, PARTIAL: True}, separators=(",", ":")).encode()
