"""A limit on the time that a computation may take, such as the match of a pattern that backtracks forever."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class OutOfTimeError(Exception):
    """A computation was interrupted at its limit."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Interrupt the block after so many seconds with OutOfTimeError.

    Only in the main thread: others get no signals, and have no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
