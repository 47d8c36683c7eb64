"""Runs that train elsewhere: one process of this machine keeps the directory here as the run is there.

What the backends and the following processes of such runs share; `rented` and `cloud` know how their
machines are reached.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tuiftune import interpreter, paths
from tuiftune.errors import UserError
from tuiftune.jobs import companion
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store.directory import DIRECTORY_MODE, FILE_MODE, RunDir
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.liveness import Vitals

LOCK = "mirror"
POLL_SECONDS = 0.5
AGAIN_SECONDS = 5.0  # between two looks at whether a process follows the run


class Mirrored:
    """The part of a backend that looks at the directory here; `module` is run to follow a run."""

    module: str

    def __init__(self) -> None:
        self._looked: dict[str, float] = {}
        self._followers: dict[int, subprocess.Popen[bytes]] = {}

    def attend(self, run: RunDir, *, again: bool = False, wait: bool = True) -> None:
        """As `backend.Mirrors` says."""
        raise NotImplementedError

    def status(self, run: RunDir) -> Vitals:
        seen = vitals(run)
        if seen.running and time.monotonic() - self._looked.get(str(run.path), 0.0) > AGAIN_SECONDS:
            self._looked[str(run.path)] = time.monotonic()
            if not self.followed(run):
                with suppress(OSError):  # a directory that only another user may write
                    self.follow(run)
        return seen

    def returned(self, job: int) -> int | None:
        """Return the exit code of the process that follows the run, if it is one of this process."""
        follower = self._followers.get(job)
        return None if follower is None else follower.poll()

    def stream(self, run: RunDir) -> Iterator[list[Event]]:
        self.attend(run, again=True)
        reader = EventReader(run.events_path)
        running = True
        while running:
            running = self.status(run).running
            while events := reader.poll():
                yield events
            if running:
                time.sleep(POLL_SECONDS)

    def follow(self, run: RunDir) -> int:
        """Start the process that follows a run, and return its PID. One that is there stays the only one."""
        run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        log = os.open(run.control_path / f"{LOCK}.log", flags, FILE_MODE)
        try:
            words = interpreter.command(self.module, str(run.path))
            follower = interpreter.start(words, stdout=log, stderr=log, session=True)
        finally:
            os.close(log)
        self._followers[follower.pid] = follower
        return follower.pid

    def followed(self, run: RunDir) -> bool:
        """Return True if a process holds the lock of those that follow the run."""
        try:
            lock = os.open(run.control_path / f"{LOCK}.lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False


def alone(run: RunDir) -> AbstractContextManager[None]:
    """Hold the lock of those that follow a run; wait for the one that does so now."""
    return companion.alone(run, run.control_path, LOCK, "followed by another process", patient=True)


def append(path: Path, data: bytes) -> None:
    """Add bytes to a file, all of them. OSError as `os.write`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def main(follow: Callable[[RunDir], None]) -> None:
    """Follow the run that the command line names."""
    run = RunDir.open(paths.absolute(sys.argv[1]))
    try:
        follow(run)
    except UserError as fault:
        sys.stderr.write(f"error: {without_secrets(str(fault))}\n")
    except KeyboardInterrupt:
        sys.exit(130)
