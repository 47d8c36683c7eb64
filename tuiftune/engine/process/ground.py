"""The directory that a run works in, held open while it works: it may be deleted, moved, replaced or shut."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.engine.process.stopping import Stop

if TYPE_CHECKING:
    from tuiftune.runs.log.writer import EventWriter
    from tuiftune.runs.store.directory import RunDir

ACCESS_EVERY = 5.0  # seconds between two looks at permissions
PATIENCE = 30.0  # seconds that a disk may stay silent, as one does whose server starts again
SETTLING = 1.0  # seconds: a directory that is being deleted loses its log first
DELETED = " (deleted)"  # the kernel's word behind the last path of an open directory
BY = "the run's directory"


class Ground:
    """`log`, once set, is the writer whose file is watched too: it goes on in a new one where that was taken
    away.
    """

    def __init__(self, run: RunDir) -> None:
        self.path = run.path
        self.log: EventWriter | None = None
        self._descriptor = os.open(run.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._own = _identity(os.fstat(self._descriptor))
        self._watched = [run.path, run.checkpoints_path, run.events_path]
        self._writable = {path for path in self._watched if _may_write(path)}
        self._looked = self._answered = time.monotonic()
        self._stop: Stop | None = None
        self._log_missed: float | None = None

    def place(self) -> Path | None:
        """Where the directory is now; None where it was deleted, or can't be found."""
        if self._is_there(self.path):
            return self.path
        now = self._known_as()
        return Path(now) if now and self._is_there(now) else None

    def lost(self) -> Stop | None:
        """What happened to the directory or its log that ends the run; None while all is well. Cheap."""
        if self._stop is None:
            self._stop = self._look()
        return self._stop

    def _look(self) -> Stop | None:
        now = time.monotonic()
        there = self.place()
        if there == self.path:
            self._answered = now
            return self._log_gone(now) or self._shut(now)
        if there is not None:
            why = f"its directory was moved to {there}; continue there: `tuiftune resume {there}`"
            return Stop("stopped", why, BY)
        known = self._known_as()
        if known.endswith(DELETED) or (known and paths.gone(known)):
            return Stop("failed", f"its directory was deleted: {self.path}", BY, saves=False)
        if now - self._answered < PATIENCE:
            return None
        why = f"its directory is no longer accessible: {paths.trouble(self.path) or self.path}"
        return Stop("failed", why, BY, saves=False)

    def _log_gone(self, now: float) -> Stop | None:
        if self.log is None or not self.log.displaced():
            self._log_missed = None
            return None
        if self._log_missed is None:
            self._log_missed = now
        if now - self._log_missed < SETTLING:
            return None
        self.log.begin_anew()
        return Stop("stopped", "its event log was deleted, moved or replaced while it was written", BY)

    def _shut(self, now: float) -> Stop | None:
        if now - self._looked < ACCESS_EVERY:
            return None
        self._looked = now
        shut = [path for path in self._watched if path in self._writable and not _may_write(path)]
        shut = [path for path in shut if not paths.gone(path)]
        if not shut:
            return None
        return Stop("stopped", f"{shut[0]} was made read-only: make it writable, then resume", BY)

    def _is_there(self, path: str | Path) -> bool:
        seen = paths.look(path)
        return seen is not None and _identity(seen) == self._own

    def _known_as(self) -> str:
        """What the kernel calls the open directory now; "" where it doesn't tell."""
        try:
            return os.readlink(f"/proc/self/fd/{self._descriptor}")
        except OSError:
            return ""


def _identity(seen: os.stat_result) -> tuple[int, int]:
    return seen.st_dev, seen.st_ino


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
