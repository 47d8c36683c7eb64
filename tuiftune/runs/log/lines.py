"""Cutting a log that is being written into whole lines: a last line without its newline is not there yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tuiftune.documents import loads, opened
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.log.events import Event

CHUNK_BYTES = 16 * 1024 * 1024  # read at once at most; a line that is longer is damage
TAIL_BYTES = 64 * 1024


class WholeLines:
    """Where one reading of a file is. `skipped` counts the lines that were too long to be any."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self.skipped = 0
        self._overlong = False

    def take(self, descriptor: int, size: int) -> bytes:
        """About `size` bytes of whole lines from `offset` on, which moves behind them; b"" for none.

        Raises OSError.
        """
        while True:
            data = os.pread(descriptor, size, self.offset)
            last = data.rfind(b"\n")
            if last < 0:
                if len(data) < size:
                    return b""
                if size < CHUNK_BYTES:
                    size = CHUNK_BYTES
                else:
                    self.offset += len(data)
                    self._overlong = True
                continue
            self.offset += last + 1
            data = data[: last + 1]
            if self._overlong:
                self._overlong = False
                self.skipped += 1
                data = data[data.index(b"\n") + 1 :]
            if data:
                return data


def read_tail(path: Path, size: int = TAIL_BYTES) -> bytes:
    """The last `size` bytes of a file (more, to hold a line, within bounds), from a line start on; b"" if
    unreadable.
    """
    try:
        with opened(path) as file:
            end = file.seek(0, os.SEEK_END)
            while True:
                start = max(0, end - size)
                file.seek(start)
                tail = file.read(end - start)
                if start == 0:
                    return tail
                first = tail.find(b"\n")
                if 0 <= first < len(tail) - 1:
                    return tail[first + 1 :]
                if size >= CHUNK_BYTES:
                    return tail  # no line is that long: damage
                size *= 8
    except (OSError, UserError):
        return b""


def first_and_last(path: Path) -> list[Event]:
    """The events at the beginning and the end of a log, all of a short one: enough to say how it stands."""
    tail = read_tail(path)
    try:
        with opened(path) as file:
            head = file.read(TAIL_BYTES) if os.fstat(file.fileno()).st_size > len(tail) + TAIL_BYTES else b""
    except (OSError, UserError):
        head = b""
    return [*parse_lines(head), *parse_lines(tail)]


def parse_lines(data: bytes) -> list[Event]:
    """The events of the whole lines in `data`; damaged ones are left out."""
    return [event for line in data.split(b"\n")[:-1] if (event := parse_line(line)) is not None]


def parse_line(line: bytes) -> Event | None:
    """One event, or None for a line that is not a JSON object with a type."""
    try:
        event = loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None
