"""`tuiftune logs`: the engine's own output, made safe to show."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tuiftune.cli.terminal import say
from tuiftune.printable import printable
from tuiftune.runs.alive import status

if TYPE_CHECKING:
    from typing import BinaryIO

    from tuiftune.runs.directory import RunDir

POLL_SECONDS = 0.3
CHUNK = 1024 * 1024


def show(run: RunDir, *, follow: bool, last: int | None) -> None:
    """Print engine.log, only the `last` lines of it if given; with `follow`, go on until the run ends."""
    try:
        file = run.log_path.open("rb")
    except FileNotFoundError:
        say(f"{run.name} has no engine.log: it was never started")
        return
    with file:
        if last is not None:
            _seek_last(file, last)
        try:
            while True:
                running = follow and status(run) == "running"
                _copy(file)
                if not running:
                    break
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            return


def _copy(file: BinaryIO) -> None:
    while chunk := file.readlines(CHUNK):
        text = b"".join(chunk).decode("utf-8", errors="replace")
        sys.stdout.write(printable(text, lines=True))
    sys.stdout.flush()


def _seek_last(file: BinaryIO, count: int) -> None:
    """Move to where the last `count` lines begin."""
    end = file.seek(0, 2)
    start, newlines = end, 0
    while start > 0 and newlines <= count:
        start = max(0, start - CHUNK)
        file.seek(start)
        newlines = file.read(end - start).count(b"\n")
    file.seek(start)
    lines = file.read(end - start).splitlines(keepends=True)
    file.seek(end - sum(map(len, lines[len(lines) - min(count, len(lines)) :])))
