"""Which runs of many are shown, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.tui.kit.run_summary import Summary

# The first order is that of the runs as they are found: latest first.
ORDERS = ("latest", "name", "state", "score", "loss")
_KEYS: dict[str, Callable[[Summary], tuple[object, ...]]] = {
    "name": lambda row: (row.name.casefold(),),
    "state": lambda row: (row.status != "running", row.status),
    "score": lambda row: (row.score_after is None, -(row.score_after or 0.0)),
    "loss": lambda row: (row.loss_after is None, row.loss_after or 0.0),
}


def arranged(rows: Sequence[Summary], order: str, words: str = "") -> list[Summary]:
    """The runs that have all the words in their name, model, data, technique or state, in an order.

    Equal ones stay latest first; runs without a score or an evaluation loss come last.
    """
    wanted = words.casefold().split()
    kept = [row for row in rows if all(word in _text(row) for word in wanted)]
    return sorted(kept, key=_KEYS[order]) if order in _KEYS else kept


def _text(row: Summary) -> str:
    return " ".join((row.name, row.model, row.data, row.technique, row.status)).casefold()
