"""The SkyPilot backend: a managed job on a rented machine, whose run is followed through its bucket."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from typing import TYPE_CHECKING

from tuiftune import interpreter, paths
from tuiftune.errors import UserError
from tuiftune.jobs import copies
from tuiftune.jobs.backends.local import note_killed
from tuiftune.jobs.cloud import mirror, program, record
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import control, elsewhere
from tuiftune.runs.store.directory import DIRECTORY_MODE, FILE_MODE
from tuiftune.runs.store.elsewhere import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.engine_call import Job
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.5
AGAIN_SECONDS = 5.0  # between two looks at whether a process follows the run
_looked: dict[str, float] = {}


class Sky:
    """A process of this machine follows the run; every view of it reads its directory here."""

    def submit(self, job: Job, run: RunDir) -> int:
        del job  # the task's own commands continue what its bucket has
        kept = record.of(run)
        known = program.state(kept.job)
        if known is not None and not known.over:
            raise UserError(
                f"the run is job {known.job} of SkyPilot already",
                place=run.name,
                remedy=f"watch it: `tuiftune watch {run.name}`",
            )
        copies.withdraw_stop(kept.copy)
        program.launch("sky.yaml", record.task_directory(run), kept.job, kept.secrets)
        return self.take_over(run)

    def take_over(self, run: RunDir) -> int:
        """Follow a run that was submitted just now. Returns the process that does so."""
        control.clear(run)
        size = paths.size(run.events_path)
        elsewhere.keep(run, Elsewhere(record.of(run).job, "starting", time.time(), log_size=size))
        return _follow(run)

    def status(self, run: RunDir) -> Vitals:
        seen = vitals(run)
        if seen.running and time.monotonic() - _looked.get(str(run.path), 0.0) > AGAIN_SECONDS:
            _looked[str(run.path)] = time.monotonic()
            if not _followed(run):
                _follow(run)
        return seen

    def attend(self, run: RunDir, *, again: bool = False, wait: bool = True) -> None:
        """Keep the run's directory up to date while its job lasts: what the bucket has, once a minute."""
        del wait
        seen = vitals(run)
        if (seen.running or (again and seen.state not in ("done", "new"))) and not _followed(run):
            _follow(run)

    def stop(self, run: RunDir, by: str, *, kill: bool = False) -> bool:
        if not vitals(run).running:
            return False
        if not kill:
            control.request_stop(run, by)  # passed on by the process that follows the run
            self.status(run)
            return True
        known = program.state(record.of(run).job)
        if known is not None and not known.over:
            program.cancel(known.job)
        note_killed(run, by)
        return True

    def returned(self, job: int) -> int | None:
        """The process there is none of ours; the run's log has its exit code."""
        del job
        return None

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


BACKEND = Sky()


def _follow(run: RunDir) -> int:
    """Start the process that follows a run; one that is there already stays the only one."""
    run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    log = os.open(run.control_path / f"{mirror.LOCK}.log", flags, FILE_MODE)
    try:
        words = interpreter.command("tuiftune.jobs.cloud.mirror", str(run.path))
        return interpreter.start(words, stdout=log, stderr=log, session=True).pid
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
    """Return the values of `--on` for this machine: what the plan needs, if SkyPilot is here."""
    return ["sky"] if shutil.which(program.SKY) is not None else []
