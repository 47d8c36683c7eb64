"""The queue of this machine: runs that wait for their turn, in order, one path a line under a lock.

In `$XDG_STATE_HOME/tuiftune` next to the register of runs. Who serves it holds a second lock, so that there
is one server at a time, and no run is started twice.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.store.directory import DIRECTORY_MODE, FILE_MODE, PLAN, RunDir, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """A run that waits. `keep_alive`: it is restarted after a crash."""

    run: RunDir
    keep_alive: bool = False


def queue_path() -> Path:
    """Where the queue is kept."""
    return paths.state_home() / "queue.jsonl"


def waiting() -> list[Entry]:
    """The runs in the queue, the next one first. Those whose directory is gone are left out."""
    found = {}
    for line in documents.json_lines(queue_path(), MOST_BYTES):
        if isinstance(line, dict) and isinstance(path := line.get("run"), str) and os.path.isabs(path):
            with suppress(UserError):
                run = RunDir(paths.given(path))
                if paths.is_file(run.path / PLAN):
                    found[run.path] = Entry(run, bool(line.get("keep_alive")))
    return list(found.values())


def position(run: RunDir) -> int | None:
    """The place of a run in the queue, from 1; None if it is not in it."""
    known = [entry.run.path for entry in waiting()]
    return known.index(run.path) + 1 if run.path in known else None


def add(run: RunDir, *, keep_alive: bool = False) -> int:
    """Put a run at the end of the queue, once. Returns its place. UserError where that cannot be written."""
    with changing() as entries:
        if all(entry.run.path != run.path for entry in entries):
            entries.append(Entry(run, keep_alive))
        return [entry.run.path for entry in entries].index(run.path) + 1


def remove(run: RunDir) -> bool:
    """Take a run out of the queue. Returns False if it is not in it (any more)."""
    with changing() as entries:
        before = len(entries)
        entries[:] = [entry for entry in entries if entry.run.path != run.path]
        return len(entries) < before


@contextmanager
def changing() -> Iterator[list[Entry]]:
    """Yield the queue to be changed; what is left of it is written. Others wait meanwhile."""
    path = queue_path()
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = _opened(path.with_suffix(".lock"))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            entries = waiting()
            before = list(entries)
            yield entries
            if entries != before:
                lines = [{"run": str(one.run.path), "keep_alive": one.keep_alive} for one in entries]
                write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
        finally:
            os.close(descriptor)
    except OSError as fault:
        raise UserError(
            f"the queue cannot be written ({fault.strerror})", place=printable(str(path))
        ) from None


def take_server() -> int | None:
    """Become the one that serves the queue. Returns what to close then; None while another process does."""
    path = queue_path()
    path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    descriptor = _opened(path.with_suffix(".server"))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def served() -> bool:
    """Return True if a process serves the queue."""
    try:
        descriptor = take_server()
    except OSError:
        return False
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
