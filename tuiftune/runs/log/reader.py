"""Reading the event log: readers tail it, catch up on a long one, and survive whatever it holds."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tuiftune.documents import opened
from tuiftune.errors import UserError
from tuiftune.runs.log.lines import CHUNK_BYTES, TAIL_BYTES, WholeLines, parse_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from tuiftune.runs.log.events import Event

THIN_BYTES = 4 * 1024 * 1024  # a longer backlog is thinned,
DIGEST_BYTES = 32 * 1024 * 1024  # and one that takes a third of a second is kept as its digest
WHOLE_BYTES = 256 * 1024  # but for its newest part
LINES_AT_ONCE = 2000  # of a digest
HEAD_BYTES = 64
PAGE_BYTES = 4096
ARRIVES_WITHIN = 5.0  # seconds


class EventReader:
    """Tails a log. `poll` returns what is new; `skipped` counts damaged lines.

    The file is opened again for every poll, which is what makes network file systems show fresh data. They
    may show its size before what was written: zero pages at its end are waited for, for a while, before they
    count as damaged. When the file was truncated or replaced, reading starts over and `generation` goes up:
    the state must be folded again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self._lines = WholeLines()
        self._damaged = 0
        self._identity: tuple[int, int] | None = None
        self._head = b""
        self._zeros_since: float | None = None

    @property
    def offset(self) -> int:
        """Bytes of the log that were read."""
        return self._lines.offset

    @property
    def skipped(self) -> int:
        return self._damaged + self._lines.skipped

    def poll(self, *, thin: bool = False) -> list[Event]:
        """The events since the last poll, oldest first; [] when there are none or the file is not there
        (yet).

        Reads at most `CHUNK_BYTES` a call, so poll again until it answers [] to be up to date. With `thin`,
        all that is there is read, and of a long backlog only the events that shape the folded state are
        returned (`tuiftune.runs.log.thin`).
        """
        if thin:
            return [event for _, events in self.catch_up() for event in events]
        try:
            with opened(self.path) as file:
                self._check_same_file(file.fileno())
                return self._read_some(file.fileno())
        except (OSError, UserError):
            return []

    def catch_up(self) -> Generator[tuple[float, list[Event]]]:
        """The same as `poll(thin=True)` in parts as they are read, each with the share (0–1) read by then.

        A long log that was read before is read from its digest (`tuiftune.runs.log.digest`).
        """
        try:
            with opened(self.path) as file:
                self._check_same_file(file.fileno())
                yield from self._catch_up(file.fileno())
        except (OSError, UserError):
            return

    def _check_same_file(self, descriptor: int) -> None:
        seen = os.fstat(descriptor)
        identity = (seen.st_dev, seen.st_ino)
        head = os.pread(descriptor, HEAD_BYTES, 0)
        same = identity == self._identity and seen.st_size >= self.offset and head.startswith(self._head)
        if not same:
            if self._identity is not None:
                self.generation += 1
            self._identity = identity
            self._lines, self._damaged = WholeLines(), 0
        self._head = head

    def _read_some(self, descriptor: int) -> list[Event]:
        while True:
            data = self._take(descriptor)
            if not data:
                return []
            if events := self._parse(data.split(b"\n")):
                return events

    def _catch_up(self, descriptor: int) -> Iterator[tuple[float, list[Event]]]:
        size = os.fstat(descriptor).st_size
        newest = size - WHOLE_BYTES
        if size - self.offset > THIN_BYTES:
            yield from self._long(descriptor, newest, size)
        while data := self._take(descriptor):
            yield 1.0, self._parse(data.split(b"\n"))

    def _take(self, descriptor: int) -> bytes:
        """Whole lines, without those from the first one on that may not have arrived yet."""
        data = self._lines.take(descriptor, CHUNK_BYTES)
        zero = data.find(b"\0")
        if zero < 0:
            self._zeros_since = None
        elif self._may_arrive(descriptor, data, zero):
            whole = data.rfind(b"\n", 0, zero) + 1
            self._lines.offset -= len(data) - whole
            return data[:whole]
        return data

    def _may_arrive(self, descriptor: int, data: bytes, zero: int) -> bool:
        """Whether the zero bytes may be what a network file system shows for what is on its way: pages at the
        end of a file that was written to just now, and not for long.
        """
        now, seen = time.monotonic(), os.fstat(descriptor)
        self._zeros_since = self._zeros_since or now
        page = self._lines.offset - len(data) + zero
        page += len(data) - zero - len(data[zero:].lstrip(b"\0"))
        return (
            page % PAGE_BYTES == 0
            and page > seen.st_size - TAIL_BYTES
            and abs(time.time() - seen.st_mtime) < ARRIVES_WITHIN
            and now - self._zeros_since < ARRIVES_WITHIN
        )

    def _long(self, descriptor: int, stop: int, size: int) -> Iterator[tuple[float, list[Event]]]:
        from tuiftune.runs.log import digest
        from tuiftune.runs.log.scan import DAMAGED, scan

        known = digest.load(self.path, descriptor) if self.offset == 0 else None
        kept: list[bytes] = []
        if known is not None:
            kept = known.lines
            self._lines = WholeLines(known.offset)
            for at in range(0, len(kept), LINES_AT_ONCE):
                yield known.offset / size, self._parse(kept[at : at + LINES_AT_ONCE])
        start, complete = self.offset, self.offset == 0 or known is not None
        if stop - start <= THIN_BYTES:
            return
        self._damaged += self._lines.skipped
        for reached, lines in scan(descriptor, start, stop):
            self._lines = WholeLines(reached)
            damaged = self._damaged
            yield reached / size, self._parse(lines)
            sound = self._damaged == damaged
            kept += lines if sound else [line if parse_line(line) else DAMAGED for line in lines]
        if complete and self.offset - start >= max(DIGEST_BYTES, start // 4):
            digest.save(self.path, descriptor, self.offset, kept)

    def _parse(self, lines: list[bytes]) -> list[Event]:
        events = []
        for line in lines:
            if not line.strip():
                continue
            event = parse_line(line)
            if event is None:
                self._damaged += 1
            else:
                events.append(event)
        return events
