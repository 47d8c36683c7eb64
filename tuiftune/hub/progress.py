"""How far a download is, and who listens: a view sets a listener, and what downloads tells it."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.figures import duration, percent, size

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 0.25  # seconds between two reports
WINDOW = 10.0  # seconds over which the rate is measured
FIRST = 1.0  # seconds before a rate is told


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes here and in all, those of an earlier attempt included; bytes/s, None until it is measured.

    `announced`: what is said of a download before its first byte.
    """

    what: str
    done: int
    total: int
    rate: float | None = None
    over: bool = False
    announced: str = ""

    @property
    def seconds(self) -> float | None:
        """Seconds left at the measured rate."""
        return (self.total - self.done) / self.rate if self.rate else None

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 1.0

    def __str__(self) -> str:
        if self.announced:
            return self.announced
        words = f"{percent(self.share)} of {size(self.total)}"
        if self.rate and not self.over:
            words += f", {size(self.rate)}/s, {duration(self.seconds)} left"
        return words


class Stopped(BaseException):
    """What a listener raises to end a download; what is here already is kept."""


_listeners: list[Callable[[Progress], None]] = []


def listen(listener: Callable[[Progress], None] | None) -> None:
    """Let `listener` be told of every download from here on, in this process; None: nobody.

    It is called at most every quarter of a second, by the thread that asked for the download.
    """
    _listeners[:] = [] if listener is None else [listener]


def announce(what: str, done: int, total: int, words: str) -> None:
    """Tell the listener what a download will be, before it begins. What it raises ends it."""
    for listener in _listeners:
        listener(Progress(what, done, total, announced=words))


class Meter:
    """Counts bytes as they come, from several threads, and measures the rate."""

    def __init__(self, what: str, done: int, total: int) -> None:
        self._what, self._done, self._total = what, done, total
        self._guard = threading.Lock()
        self._began = time.monotonic()
        self._seen: deque[tuple[float, int]] = deque([(self._began, done)])

    def add(self, count: int) -> None:
        with self._guard:
            self._done += count

    def tell(self, *, over: bool = False) -> None:
        """Tell the listener how far it is. What it raises ends the download."""
        now = time.monotonic()
        with self._guard:
            self._seen.append((now, self._done))
            while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW:
                self._seen.popleft()
            since, before = self._seen[0]
            came, done = self._done - before, self._done
        rate = came / (now - since) if now - self._began >= FIRST and came > 0 else None
        for listener in _listeners:
            listener(Progress(self._what, done, self._total, rate, over))
