"""The local backend: the engine as a process that outlives the terminal and app it was started from."""

from __future__ import annotations

import fcntl
import os
import pwd
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiftune import interpreter, paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import control
from tuiftune.runs.store.directory import FILE_MODE, write_text
from tuiftune.runs.store.process import Identity, identify

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from tuiftune.engine_call import Job
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.25
_children: dict[int, subprocess.Popen[bytes]] = {}


class Local:
    """Runs jobs as processes of this machine, and communicates with them through the run's directory."""

    def submit(self, job: Job, run: RunDir) -> int:
        return launch(run, job.command())

    def status(self, run: RunDir) -> Vitals:
        return vitals(run)

    def stop(self, run: RunDir, by: str, *, kill: bool = False) -> bool:
        if kill:
            return _killed(run, by)
        control.request_stop(run, by)
        return True

    def returned(self, job: int) -> int | None:
        return returned(job)

    def stream(self, run: RunDir) -> Iterator[list[Event]]:
        reader = EventReader(run.events_path)
        running = True
        while running:
            running = vitals(run).running
            while events := reader.poll():
                yield events
            if running:
                time.sleep(POLL_SECONDS)


BACKEND = Local()


def _killed(run: RunDir, by: str) -> bool:
    """End it at once and record who did: a killed process can't write how it ended."""
    control.note_kill(run, _who(by))
    try:
        if not control.kill(run):
            return False
        if vitals(run).state in ("died", "killed"):  # no end of its own
            note_killed(run, by)
        return True
    finally:
        control.forget_kill(run)


def note_killed(run: RunDir, by: str) -> None:
    """End the log of a killed run."""
    writer = EventWriter(run.events_path)
    writer.emit("control", what="kill", by=_who(by))
    writer.emit("end", state="killed", exit_code=int(ExitCode.STOPPED), why=f"killed by {_who(by)}")
    writer.close()


def _who(by: str) -> str:
    return f"{by} ({_user()})"


def _user() -> str:
    try:
        return f"user {pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # in a container, often
        return f"user {os.getuid()}"


def launch(run: RunDir, command: Sequence[str]) -> int:
    """Start a command line that holds `run`, detached: own session, no stdin, output to `engine.log`.

    Returns:
        Its process ID.

    Raises:
        UserError: if the run is already running or its directory is not writable.
    """
    try:
        with _alone(run), _log(run) as log:
            seen = vitals(run)
            if seen.running:
                raise UserError(
                    f"the run is already running (process {seen.pid})",
                    place=run.name,
                    remedy=f"watch it: `tuiftune watch {run.name}`",
                )
            control.clear(run)
            control.note_memory_kills(run)
            log_size = paths.size(run.events_path)
            process = interpreter.start(command, stdout=log, stderr=log, session=True)
            _children[process.pid] = process
            engine = identify(process.pid, log_size) or Identity.gone(process.pid, log_size)
            write_text(run.pid_path, engine.dump())
    except OSError as fault:
        raise UserError(
            f"the training process cannot be started ({fault.strerror or fault})",
            place=printable(str(run.path)),
            remedy="check the permissions of the run's directory, and the free disk space",
        ) from None
    return process.pid


def returned(pid: int) -> int | None:
    """Return the exit status of an engine launched by this process; None while it runs, or if another did."""
    process = _children.get(pid)
    return None if process is None else process.poll()


@contextmanager
def _log(run: RunDir) -> Iterator[int]:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(run.log_path, flags, FILE_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _alone(run: RunDir) -> Iterator[None]:
    """Serialize launches of one run, so that the second sees the process of the first."""
    descriptor = os.open(run.path / ".launch", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
