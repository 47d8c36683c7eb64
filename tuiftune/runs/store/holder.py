"""Which process holds a run: not the one that a file names, but the one that has the run's lock."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tuiftune import engine_call, paths
from tuiftune.errors import UserError
from tuiftune.runs.store.process import PROC, Identity, start_time

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

LOCK = "engine.lock"
ENDS_WITHIN = 10.0  # seconds for a killed process to be gone, on a busy machine


def signal_engine(run: RunDir, number: signal.Signals, *, group: bool = False) -> bool:
    """Signal the process that engine.pid names, if it is the one that was launched and has the run's lock (or
    is about to take it). With `group`, its workers too, and return once it is gone.

    False where there is none here. UserError where the process that is named has nothing to do with the run,
    isn't ours, or doesn't end.
    """
    engine = Identity.load(run.pid_path)
    if engine is None or not engine.alive:
        return False
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(engine.pid) if hasattr(os, "pidfd_open") else None
        try:
            if not (engine.alive and holds(run, engine.pid)):
                raise UserError(
                    f"process {engine.pid}, named in engine.pid, is not the training process of this run, so "
                    "it is not stopped",
                    place=run.name,
                    remedy=f"check `ps -p {engine.pid}`; if it does not train, remove {run.pid_path}",
                )
            # A session of its own, as a launcher gives it, holds nothing but the engine and its workers.
            if group and os.getsid(engine.pid) == engine.pid == os.getpgid(engine.pid):
                os.killpg(engine.pid, number)
            elif handle is not None:
                signal.pidfd_send_signal(handle, number)
            else:
                os.kill(engine.pid, number)
        except PermissionError:
            raise UserError(
                f"process {engine.pid} belongs to another user", place=run.name, remedy="ask them to stop it"
            ) from None
        finally:
            if handle is not None:
                os.close(handle)
    if group and not _gone(engine):
        raise UserError(
            f"process {engine.pid} does not exit: it hangs in the kernel (driver or disk)",
            place=run.name,
        )
    return True


def holds(run: RunDir, pid: int) -> bool:
    """Whether a process of this machine has the run's lock, or is an engine of this run that comes to it.

    Without /proc the process id with its start time has to do.
    """
    if not paths.exists(PROC / "self" / "fdinfo"):
        return True
    return _engine_of(run, pid) or _locks(run.control_path / LOCK, pid)


def _locks(lock: Path, pid: int) -> bool:
    with suppress(OSError):
        wanted = os.stat(lock)
        for entry in paths.entries(PROC / str(pid) / "fd"):
            with suppress(OSError):
                seen = os.stat(entry)
                if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return "FLOCK" in _kernel(pid, f"fdinfo/{entry.name}").decode("ascii")
    return False


def _kernel(pid: int, name: str) -> bytes:
    return (PROC / str(pid) / name).read_bytes()  # raw: the kernel writes it


def _engine_of(run: RunDir, pid: int) -> bool:
    """By its command line, as we launch it."""
    with suppress(OSError, UserError):
        return engine_call.holds(_kernel(pid, "cmdline").split(b"\0"), run.path)
    return False


def _gone(engine: Identity) -> bool:
    until = time.monotonic() + ENDS_WITHIN
    while start_time(engine.pid) == engine.start:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
