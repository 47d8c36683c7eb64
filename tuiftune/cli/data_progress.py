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
LATE = 1.0  # seconds before progress is shown for work that is usually faster


@contextmanager
def watching() -> Iterator[Callable[[str, float | None], None]]:
    """Yield a callback (task, share done or None) that draws on a terminal and does nothing elsewhere."""
    from tuiftune.cli.terminal import err
    from tuiftune.printable import printable

    console = err()
    if console.quiet or not console.is_terminal:
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
