"""The ssh backend: the engine on a rented machine, whose run is copied here as it grows (`jobs/rented`)."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune import documents, interpreter, paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs.rented import mirror, pulling, record, rent
from tuiftune.jobs.rented.line import Line
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import control, elsewhere
from tuiftune.runs.store.directory import DIRECTORY_MODE, FILE_MODE
from tuiftune.runs.store.elsewhere import Elsewhere

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tuiftune.engine_call import Job
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

CONFIGURATION = "~/.ssh/config"
MOST_HOSTS = 8  # that are offered
POLL_SECONDS = 0.5
AGAIN_SECONDS = 5.0  # between two looks at whether a process follows the run
HEARS_WITHIN = 20.0  # seconds that a command waits for news
_looked: dict[str, float] = {}
_followers: dict[int, subprocess.Popen[bytes]] = {}


class Ssh:
    """A process of this machine follows the run; every view of it reads its directory here."""

    def submit(self, job: Job, run: RunDir) -> int:
        rent.resume(run, ("--force",) if "--force" in job.arguments else ())
        return self.take_over(run)

    def take_over(self, run: RunDir) -> int:
        """Follow a run that was started there just now. Returns the process that does so."""
        host, size = str(record.of(run).address), paths.size(run.events_path)
        try:
            control.clear(run)
            elsewhere.keep(run, Elsewhere(host, "starting", time.time(), log_size=size))
            return _follow(run)
        except OSError as fault:
            raise paths.cannot(fault, run.control_path, "write") from None

    def status(self, run: RunDir) -> Vitals:
        seen = vitals(run)
        if seen.running and time.monotonic() - _looked.get(str(run.path), 0.0) > AGAIN_SECONDS:
            _looked[str(run.path)] = time.monotonic()
            if not _followed(run):
                with suppress(OSError):  # a directory that only another user may write
                    _follow(run)
        return seen

    def attend(self, run: RunDir, *, again: bool = False, wait: bool = True) -> None:
        """Bring the run's directory up to date, and keep it so while the run lasts.

        `again`: ask the machine even if the run has ended or the machine was taken for gone. `wait`: return
        only when it has answered, or could not be reached.
        """
        seen = vitals(run)
        if not (seen.running or (again and seen.state != "done")):
            return
        known, before = elsewhere.known(run), time.time()
        if _followed(run):
            return
        try:
            if known is not None and known.trouble:
                elsewhere.keep(run, replace(known, trouble=""))
            follower = _follow(run)
        except OSError:  # a directory that only another user may write
            return
        until = time.monotonic() + (HEARS_WITHIN if wait else 0.0)
        while time.monotonic() < until and self.returned(follower) is None:
            known = elsewhere.known(run)
            if known is not None and (known.heard > before or known.trouble):
                break
            time.sleep(POLL_SECONDS / 5)

    def stop(self, run: RunDir, by: str, *, kill: bool = False) -> bool:
        if not vitals(run).running:
            return False
        if kill:
            kept = record.of(run)
            code, said = pulling.call(Line(kept.address), kept, "stop", kept.run, "--kill")
            if code:
                raise UserError(said.removeprefix("error: "), place=run.name, exit_code=ExitCode.FAILED)
        else:
            control.request_stop(run, by)  # passed on by the process that follows the run
        self.status(run)
        return True

    def returned(self, job: int) -> int | None:
        """Return the exit code of the process that follows the run, if it is one of this process."""
        follower = _followers.get(job)
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


BACKEND = Ssh()


def _follow(run: RunDir) -> int:
    """Start the process that follows a run; one that is there already stays the only one."""
    run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    log = os.open(run.control_path / f"{mirror.LOCK}.log", flags, FILE_MODE)
    try:
        words = interpreter.command("tuiftune.jobs.rented.mirror", str(run.path))
        follower = interpreter.start(words, stdout=log, stderr=log, session=True)
        _followers[follower.pid] = follower
        return follower.pid
    finally:
        os.close(log)


def _followed(run: RunDir) -> bool:
    """Whether a process holds the lock of those that follow the run."""
    try:
        lock = os.open(run.control_path / f"{mirror.LOCK}.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def offered() -> list[str]:
    """Return the values of `--on` for this machine: the hosts that the user's ssh configuration names."""
    try:
        lines = documents.read_text(paths.given(CONFIGURATION)).splitlines()
    except UserError:
        return []
    words = [line.split() for line in lines]
    hosts = [host for each in words if each[:1] and each[0].lower() == "host" for host in each[1:]]
    return [f"ssh:{host}" for host in hosts if not set(host) & set("*?!")][:MOST_HOSTS]
