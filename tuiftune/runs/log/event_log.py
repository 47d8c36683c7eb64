"""The event log on disk: one writer that never hinders training, and readers that tail it and survive
whatever it holds.

A line is one JSON object written in one `write` that ends in a newline. A last line without its newline is
not there yet.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.documents import loads, opened
from tuiftune.errors import UserError
from tuiftune.runs.log.events import EVENT_VERSION, Event
from tuiftune.runs.log.lines import CHUNK_BYTES, WholeLines
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

FILE_MODE = 0o644  # narrowed further by the umask, never wider: run files are not world-writable
TAIL_BYTES = 64 * 1024
THIN_BYTES = 4 * 1024 * 1024  # a longer backlog is thinned,
DIGEST_BYTES = 32 * 1024 * 1024  # and one that takes a third of a second is kept as its digest
WHOLE_BYTES = 256 * 1024  # but for its newest part
LINES_AT_ONCE = 2000  # of a digest
HEAD_BYTES = 64
PAGE_BYTES = 4096
NUMBERS_ONLY = ("step", "gpu", "memory", "heartbeat")
ARRIVES_WITHIN = 5.0  # seconds


class EventWriter:
    """The one writer of a run's log. `emit` never raises on a failed write: it counts it in `failed` and goes
    on.

    Reopening goes on with the `seq` of the predecessor, whose torn last line is closed with a newline first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed = 0
        self.last_failure: str | None = None
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._seq, self._torn = _end_of_log(path)

    def emit(self, kind: str, /, **payload: Any) -> bool:
        """Append one event. Returns whether it was written.

        NaN and infinities become null, with `<key>_text` beside them; tokens are hidden. `t` is the time of
        day in UTC, which may be set while a run goes on; `clock` is one that only runs forward, and stands
        still while the machine sleeps: durations are differences of it, in seconds.
        """
        with self._lock:
            self._seq += 1
            event = {
                "v": EVENT_VERSION,
                "seq": self._seq,
                "t": round(time.time(), 3),
                "type": kind,
                **payload,
                "clock": round(time.monotonic(), 3),
            }
            line = serialise(event)
            if kind not in NUMBERS_ONLY:
                line = without_secrets(line.decode("ascii")).encode("ascii")
            data = b"\n" + line if self._torn else line
            try:
                if self._descriptor is None:
                    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                    self._descriptor = os.open(self.path, flags, FILE_MODE)
                written = os.write(self._descriptor, data)
            except OSError as fault:
                self._note_failure(fault.strerror or str(fault))
                return False
            if written < len(data):
                self._torn = written > 0 or self._torn
                self._note_failure(f"{written} of {len(data)} bytes written")
                return False
            self._torn = False
            return True

    def close(self) -> None:
        """Bring what was written to the disk and let go of the file."""
        with self._lock:
            if self._descriptor is None:
                return
            try:
                os.fsync(self._descriptor)
            except OSError as fault:
                self._note_failure(fault.strerror or str(fault))
            os.close(self._descriptor)
            self._descriptor = None

    def displaced(self) -> bool:
        """Whether the file that is written to is no longer the one at the log's path."""
        with self._lock:
            if self._descriptor is None:
                return False
            there = paths.look(self.path)
            own = os.fstat(self._descriptor)
            if there is None:
                return paths.gone(self.path)
            return (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino)

    def begin_anew(self) -> None:
        """Go on in the file at the log's path. Where there is none, it gets what was written so far."""
        with self._lock:
            if self._descriptor is None:
                return
            old = self._descriptor
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                fresh = paths.gone(self.path)
                self._descriptor = os.open(self.path, flags, FILE_MODE)
                if fresh:
                    _copy(old, self._descriptor)
            except OSError as fault:
                self._note_failure(fault.strerror or str(fault))
            if self._descriptor != old:
                os.close(old)

    def _note_failure(self, why: str) -> None:
        self.failed += 1
        self.last_failure = why


def _copy(old: int, new: int) -> None:
    """What an open log holds, deleted or not, into another."""
    with open(f"/proc/self/fd/{old}", "rb") as file:  # raw: our own log
        while chunk := file.read(CHUNK_BYTES):
            os.write(new, chunk)


class Silence:
    """The log of a process that has nothing to say, as all but the first of a run have."""

    def emit(self, kind: str, /, **payload: Any) -> bool:
        return True


def serialise(event: Mapping[str, Any]) -> bytes:
    """One line of the log, newline included. What JSON has no form for is kept as text, never dropped."""
    try:
        text = json.dumps(event, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(_finite(event), separators=(",", ":"), allow_nan=False, default=str)
    return text.encode("ascii") + b"\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        plain: dict[str, Any] = {}
        for key, item in value.items():
            plain[str(key)] = _finite(item)
            if isinstance(item, float) and not math.isfinite(item):
                plain[f"{key}_text"] = str(item)
        return plain
    if isinstance(value, list | tuple | set | frozenset):
        return [_finite(item) for item in value]
    return value


def _end_of_log(path: Path) -> tuple[int, bool]:
    """The highest `seq` near the end of the log (0 for none), and whether its last line lacks a newline."""
    tail = read_tail(path)
    highest = max(
        (event["seq"] for event in parse_lines(tail) if isinstance(event.get("seq"), int)), default=0
    )
    return highest, bool(tail) and not tail.endswith(b"\n")


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


class EventReader:
    """Tails a log. `poll` returns what is new; `skipped` counts damaged lines.

    The file is opened anew for every poll, which is what makes network file systems show fresh data. They may
    show its size before what was written: zero pages at its end are waited for, for a while, before they
    count as damaged. When the file was truncated or replaced, reading starts over and `generation` goes up:
    whoever folds the events starts afresh too.
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
