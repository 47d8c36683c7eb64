"""One line of progress on standard error while a dataset is read and judged; gone when it is done."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiftune.figures import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERY = 0.1  # seconds between redrawings


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
