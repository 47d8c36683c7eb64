"""`tuiftune logs`: the output of the training process, made safe to show."""

from __future__ import annotations

import codecs
import sys
import time
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.cli.terminal import say
from tuiftune.documents import opened
from tuiftune.printable import printable
from tuiftune.runs.state.liveness import status
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from typing import BinaryIO

    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.3
CHUNK = 1024 * 1024


def show(run: RunDir, *, follow: bool, last: int | None) -> None:
    """Print engine.log, or only its `last` lines; with `follow`, continue until the run ends."""
    if paths.gone(run.log_path):
        say(
            f"{run.name}: no engine.log, because it was never started. Start it: `tuiftune resume {run.name}`"
        )
        return
    file = opened(run.log_path)
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    with file:
        if last is not None:
            _seek_last(file, last)
        try:
            while True:
                running = follow and status(run) == "running"
                _copy(file, decoder)
                if not running:
                    break
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            return


def _copy(file: BinaryIO, decoder: codecs.IncrementalDecoder) -> None:
    """Print the rest of the file, a chunk at a time, because a line may be as long as the file."""
    while chunk := file.read(CHUNK):
        sys.stdout.write(printable(without_secrets(decoder.decode(chunk)), lines=True))
    sys.stdout.flush()


def _seek_last(file: BinaryIO, count: int) -> None:
    """Seek to the beginning of the last `count` lines."""
    start = end = file.seek(0, 2)
    left = count + (_at(file, max(0, end - 1), 1) == b"\n")  # newlines back from the end
    while count and start:
        size = min(CHUNK, start)
        start -= size
        chunk = _at(file, start, size)
        place = size
        for _ in range(min(left, chunk.count(b"\n"))):
            place, left = chunk.rindex(b"\n", 0, place), left - 1
        if not left:
            file.seek(start + place + 1)
            return
    file.seek(0 if count else end)


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)
