"""Writing the event log: one writer that never hinders training.

A line is one JSON object written in one `write` that ends in a newline.
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
from tuiftune.runs.log.events import EVENT_VERSION
from tuiftune.runs.log.lines import CHUNK_BYTES, parse_lines, read_tail
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from pathlib import Path

FILE_MODE = 0o644  # narrowed further by the umask, never wider: run files are not world-writable
NUMBERS_ONLY = ("step", "gpu", "memory", "heartbeat")


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

        NaN and infinities become null, with the text in `<key>_text`; tokens are hidden. `t` is the time of
        day in UTC, which may be changed during a run; `clock` is one that only runs forward, and stands
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
            line = serialize(event)
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


def serialize(event: Mapping[str, Any]) -> bytes:
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
