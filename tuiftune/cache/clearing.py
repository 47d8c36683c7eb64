"""What the cache holds, and removing it. Entries that a process uses are left alone."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.cache import place

if TYPE_CHECKING:
    from pathlib import Path

SEALED = "sealed.json"
LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Held:
    """An entry: its kind (`read` or `tokens`), its bytes, and when it was last used (UTC seconds)."""

    kind: str
    key: str
    path: Path
    bytes: int
    used: float
    complete: bool


def held() -> list[Held]:
    """Every entry, the longest unused first."""
    found = []
    locks = (lock for kind in paths.entries(place.root()) for lock in paths.matching(kind, f"*{LOCK}"))
    for lock in locks:
        path = lock.with_suffix("")
        files = paths.below(path, hidden=()) if paths.is_dir(path) else []
        times = [paths.modified(path / SEALED) or 0.0, paths.modified(path) or 0.0]
        size = sum(paths.size(one) for one in files)
        found.append(Held(lock.parent.name, path.name, path, size, max(times), paths.exists(path / SEALED)))
    return sorted(found, key=lambda one: one.used)


def clear(older_than: float = 0.0) -> list[Held]:
    """Remove the entries that were not used for so many seconds; return those that were removed."""
    until = time.time() - older_than
    return [one for one in held() if one.used <= until and remove(one)]


def trim(limit: int) -> list[Held]:
    """Remove the longest unused entries until all together take at most `limit` bytes."""
    entries = held()
    total = sum(one.bytes for one in entries)
    gone = []
    for one in entries:
        if total <= limit:
            break
        if remove(one):
            total -= one.bytes
            gone.append(one)
    return gone


def remove(entry: Held) -> bool:
    """Remove an entry unless a process uses it."""
    lock = entry.path.with_name(entry.path.name + LOCK)
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            os.unlink(entry.path / SEALED)
        if paths.exists(entry.path):
            shutil.rmtree(entry.path)
        os.unlink(lock)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
