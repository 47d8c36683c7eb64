"""Reading a long stretch of a log by processes of its own: on all cores, and without holding up whoever shows
it meanwhile.

`python -m tuiftune.runs.log.scan START STOP BLOCK < LOG` writes the lines worth keeping (`thin`) to standard
output, and after each block a line `@OFFSET`: how far it is.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from itertools import chain, pairwise
from typing import IO, TYPE_CHECKING

from tuiftune import interpreter
from tuiftune.runs.log.lines import WholeLines
from tuiftune.runs.log.thin import block_bytes, thinned

if TYPE_CHECKING:
    from collections.abc import Iterator

ALONE_BYTES = 32 * 1024 * 1024  # less is read here: a process costs as much as reading a third of that
PART_BYTES = 48 * 1024 * 1024
PARTS_MOST = 4  # a training may need the other cores
LOOK_SECONDS = 0.03
READ_BYTES = 512 * 1024  # of what was kept: as events it takes six times the memory
MARK, DAMAGED = b"@", b"!"

Read = tuple[
    int, list[bytes]
]  # the offset that this much reading comes to, and what was kept of the next lines


def scan(descriptor: int, start: int, stop: int) -> Iterator[Read]:
    """What is worth keeping of the lines that begin within `start`…`stop`, in order, as it is read.

    What a process fails to read is read here instead. Close the generator to end the processes.
    """
    size = block_bytes(stop - start)
    parts = [_Part(first, last) for first, last in pairwise(_bounds(descriptor, start, stop))]
    try:
        if stop - start >= ALONE_BYTES:
            for part in parts:
                part.begin(descriptor, size)
        for part in parts:
            for lines in chain(part.told(), part.read_here(descriptor, size)):
                yield start + sum(one.done() for one in parts), lines
    finally:
        for part in parts:
            part.close()


def kept(descriptor: int, start: int, stop: int, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Offset after a block, and the lines worth keeping of it; a damaged one for each that is too long."""
    lines = WholeLines(start)
    while lines.offset < stop:
        overlong, before = lines.skipped, lines.offset
        found = thinned(lines.take(descriptor, min(size, stop - lines.offset)))
        if not found and lines.offset == before:
            return
        found = [DAMAGED if line.startswith(MARK) else line for line in found]
        yield lines.offset, [DAMAGED] * (lines.skipped - overlong) + found


def _bounds(descriptor: int, start: int, stop: int) -> list[int]:
    """The stretch cut into parts of like length at beginnings of lines."""
    number = max(1, min((stop - start) // PART_BYTES, PARTS_MOST, os.cpu_count() or 1))
    bounds = [start]
    for part in range(1, number + 1):
        at = start + (stop - start) * part // number
        at += os.pread(descriptor, 64 * 1024, at).find(b"\n") + 1
        if at > bounds[-1]:
            bounds.append(at)
    return bounds


class _Part:
    """One stretch, the process that reads it, and the file without a name that it writes into."""

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop, self.reached = start, stop, start
        self._at = 0
        self._file: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, descriptor: int, size: int) -> None:
        numbers = map(str, (self.start, self.stop, size))
        with suppress(OSError):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (`close` does)
            self._process = interpreter.start(
                interpreter.command("tuiftune.runs.log.scan", *numbers), stdin=descriptor, stdout=self._file
            )

    def told(self) -> Iterator[list[bytes]]:
        """What the process kept, as it comes; nothing of a block that it did not finish."""
        while self._process is not None:
            over = self._process.poll() is not None
            yield self._lines()
            while lines := self._lines():
                yield lines
            if over:
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LOOK_SECONDS)

    def _lines(self) -> list[bytes]:
        assert self._file is not None
        size = READ_BYTES
        while True:
            data = b"\n" + os.pread(self._file.fileno(), size, self._at)
            mark = data.rfind(b"\n" + MARK, 0, data.rfind(b"\n"))
            if mark >= 0:
                break
            if len(data) <= size:
                return []
            size *= 2
        end = data.index(b"\n", mark + 1)
        self._at += end
        self.reached = int(data[mark + 2 : end])
        return [line for line in data[1:mark].split(b"\n") if line and not line.startswith(MARK)]

    def _size(self) -> int:
        return 0 if self._file is None else os.fstat(self._file.fileno()).st_size

    def done(self) -> int:
        """Bytes that were read so far, be they told or not."""
        if self._file is None or self.reached >= self.stop:
            return self.reached - self.start
        last = os.pread(self._file.fileno(), 64, max(0, self._size() - 64))
        mark = last[:-1].rpartition(b"\n")[2]
        whole = last.endswith(b"\n") and mark.startswith(MARK) and mark[1:].isdigit()
        return (int(mark[1:]) if whole else self.reached) - self.start

    def read_here(self, descriptor: int, size: int) -> Iterator[list[bytes]]:
        """What the process left unread."""
        for offset, lines in kept(descriptor, self.reached, self.stop, size):
            self.reached = offset
            yield lines

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._file is not None:
            self._file.close()


def main() -> None:
    start, stop, size = map(int, sys.argv[1:4])
    parent = os.getppid()
    gc.disable()  # the rows of a block are many, and in no circle
    for offset, lines in kept(sys.stdin.fileno(), start, stop, size):
        sys.stdout.buffer.write(b"".join(line + b"\n" for line in [*lines, b"%s%d" % (MARK, offset)]))
        sys.stdout.buffer.flush()
        if os.getppid() != parent:
            return  # nobody reads it any more


if __name__ == "__main__":
    main()
