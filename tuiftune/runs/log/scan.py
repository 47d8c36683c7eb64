"""Reading a long stretch of a log in separate processes: on all cores, without blocking the views.

`python -m tuiftune.runs.log.scan START STOP BLOCK < LOG` writes the lines worth keeping (`thin`) to standard
output, and after each block a line `@OFFSET`: how far it is.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from contextlib import suppress
from itertools import chain, pairwise
from queue import Empty, SimpleQueue
from threading import Thread
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
                yield start + sum(one.read - one.start for one in parts), lines
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
    """One stretch, and the process that reads it: `read` so far, of which `reached` was told."""

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop
        self.read = self.reached = start
        self._blocks: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, descriptor: int, size: int) -> None:
        numbers = map(str, (self.start, self.stop, size))
        with suppress(OSError):
            words = interpreter.command("tuiftune.runs.log.scan", *numbers)
            self._process = interpreter.start(words, stdin=descriptor, stdout=subprocess.PIPE)
            self._listener = Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
            self._listener.start()

    def _listen(self, output: IO[bytes]) -> None:
        """Take in block after block as it is written; nothing of one that the process did not finish."""
        block = bytearray()
        with output:
            for line in output:
                if not line.startswith(MARK):
                    block += line
                elif line.endswith(b"\n"):
                    self.read = int(line[1:])
                    self._blocks.put((self.read, bytes(block)))
                    block.clear()
        self._blocks.put(None)

    def told(self) -> Iterator[list[bytes]]:
        """What the process kept, as it comes."""
        while self._process is not None:
            try:
                block = self._blocks.get(timeout=LOOK_SECONDS)
            except Empty:
                yield []  # the caller may stop waiting
                continue
            if block is None:
                return
            self.reached, lines = block
            yield lines.split(b"\n")[:-1]

    def read_here(self, descriptor: int, size: int) -> Iterator[list[bytes]]:
        """What the process left unread."""
        for offset, lines in kept(descriptor, self.reached, self.stop, size):
            self.read = self.reached = offset
            yield lines

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._listener.join()


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
