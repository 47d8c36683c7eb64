"""Garbage is collected while nobody types: a full collection holds the app up for 30 to 150 ms, and Python
would start one at any time.

What is there at the start, and what outlives a collection, is left out of the next; a thorough one looks
through all.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_SECONDS = 1.0
QUIET_SECONDS = 3.0  # without a key, before anything that takes longer is done
DUE = 10  # collections of the young since the last full one: where Python would do the next
LATE = 3 * DUE  # from which on a breath will do: what gathers makes the collection longer
BREATH_SECONDS = 0.5
OVERDUE = 50 * DUE  # the longest that somebody who never pauses is spared one
NEVER = 1_000_000_000
THOROUGH_EVERY = 10  # full collections, of all there is: screens that were left are given back then


class Collector:
    """A context in which full collections are made by `look` alone. Call `touched` for every key and mouse
    event."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._touched = clock()
        self._before = gc.get_threshold()
        self.collected = 0

    def __enter__(self) -> Self:
        self._before = gc.get_threshold()
        gc.set_threshold(self._before[0], self._before[1], NEVER)
        return self

    def __exit__(self, *_: object) -> None:
        gc.set_threshold(*self._before)
        gc.unfreeze()

    def settled(self) -> None:
        """What is there now stays for good."""
        gc.freeze()

    def touched(self) -> None:
        self._touched = self._clock()

    def look(self) -> None:
        """Collect if it is due and nobody is at the keys."""
        due = gc.get_count()[2]
        wanted = QUIET_SECONDS if due < LATE else BREATH_SECONDS if due < OVERDUE else 0.0
        if due < DUE or self._clock() - self._touched < wanted:
            return
        self.collected += 1
        if self.collected % THOROUGH_EVERY == 0:
            gc.unfreeze()
        gc.collect()
        gc.freeze()
