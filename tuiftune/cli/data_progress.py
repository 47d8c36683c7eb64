"""One line of progress on standard error while a dataset is read and judged; gone when it is done."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiftune.figures import duration, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERY = 0.1  # seconds between redrawings
LATE = 1.0  # seconds before anything is said of what is mostly quicker


@contextmanager
def watching() -> Iterator[Callable[[str, float | None], None]]:
    """A callback (what, share done or None) that draws on a terminal and does nothing elsewhere."""
    from tuiftune.cli.terminal import err
    from tuiftune.printable import printable

    console = err()
    if not console.is_terminal:
        yield lambda what, done: None
        return
    last = 0.0
    with console.status("reading", spinner="line") as status:

        def watch(what: str, done: float | None) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= EVERY:
                last = now
                status.update(printable(what) + ("" if done is None else f" {percent(done)}"))

        yield watch


@contextmanager
def busy(what: str) -> Iterator[Callable[[int], None]]:
    """A callback (how many so far) for what may take long: after a second there is a line on a terminal's
    standard error, redrawn whether or not the callback is called, and gone when it is over.
    """
    from tuiftune.cli.terminal import err

    console = err()
    if not console.is_terminal:
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
