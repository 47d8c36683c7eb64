"""A progress line on standard error while a dataset is read and checked, erased at the end."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiftune.figures import duration, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERY = 0.1  # seconds between redrawings
TOLD_FROM = 0.02  # share of the work after which the remaining time is told
LATE = 1.0  # seconds before progress is shown for work that is usually faster


@contextmanager
def watching() -> Iterator[Callable[[str, float | None], None]]:
    """Yield a callback (task, share done or None) that draws on a terminal and does nothing elsewhere.

    The remaining time is told as long as the share grows.
    """
    from tuiftune.cli.terminal import err
    from tuiftune.printable import printable

    console = err()
    if console.quiet or not console.is_terminal:
        yield lambda what, done: None
        return
    last = 0.0
    since, begun = time.monotonic(), 0.0  # when the share was last `begun`
    with console.status("reading", spinner="line") as status:

        def watch(what: str, done: float | None) -> None:
            nonlocal last, since, begun
            now = time.monotonic()
            if done is None or done < begun:
                since, begun = now, done or 0.0
            if now - last >= EVERY:
                last = now
                status.update(printable(what) + _share(done, begun, now - since))

        yield watch


def rows_read(watch: Callable[[str, float | None], None]) -> Callable[[int], None]:
    """A callback for the rows read so far, which tells their number and rate."""
    began = time.monotonic()

    def count(rows: int) -> None:
        rate = rows / max(time.monotonic() - began, 1e-3)
        watch(f"{rows:,} rows read, {rate:,.0f} rows/s", None)

    return count


def _share(done: float | None, begun: float, seconds: float) -> str:
    """The share that is done, and the time that is left once it can be told."""
    if done is None:
        return ""
    if seconds < LATE or done - begun < TOLD_FROM:
        return f" {percent(done)}"
    return f" {percent(done)}, {duration(seconds * (1 - done) / (done - begun))} left"


@contextmanager
def busy(what: str) -> Iterator[Callable[[int], None]]:
    """Yield a callback (count so far) for work that may take long.

    After one second a line is shown on standard error if it is a terminal. It is redrawn whether or not the
    callback is called, and erased at the end.
    """
    from tuiftune.cli.terminal import err

    console = err()
    if console.quiet or not console.is_terminal:
        yield lambda count: None
        return
    counted, over = [0], threading.Event()

    def tell() -> None:
        began = time.monotonic()
        if over.wait(LATE):
            return
        with console.status(what, spinner="line") as status:
            while not over.wait(EVERY):
                amount = f" {counted[0]:,}" if counted[0] else ""
                status.update(f"{what}{amount}  {duration(time.monotonic() - began)}")

    def count(number: int) -> None:
        counted[0] = number

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield count
    finally:
        over.set()
        teller.join()
