"""What carries out the jobs of runs: the protocol, the registry of `backends/`, and training by one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol

from tuiftune import documents, paths
from tuiftune.engine_call import Job
from tuiftune.errors import UserError
from tuiftune.jobs import backends
from tuiftune.printable import printable
from tuiftune.runs.store import checkpoints
from tuiftune.runs.store.directory import DIRECTORY_MODE, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

LOCAL = "local"


class Backend(Protocol):
    """Somewhere that an engine can run. What it writes is found in the run's directory, wherever it ran."""

    def submit(self, job: Job, run: RunDir) -> int:
        """Start a job that holds the run. Returns its id. UserError where it can't be started."""

    def status(self, run: RunDir) -> Vitals:
        """Whether the run's job runs, and how it ended."""

    def stop(self, run: RunDir, by: str, *, kill: bool = False) -> bool:
        """Ask for a checkpoint and an end, or end it at once. Whether there was anybody to tell.

        `by` says who asked. UserError where that can't be done.
        """

    def stream(self, run: RunDir) -> Iterator[list[Event]]:
        """The run's events from the first on, as they come, to the end of the job."""


def names() -> list[str]:
    """The backends there are."""
    return sorted(module.name for module in iter_modules(backends.__path__))


def backend(name: str) -> Backend:
    """The backend of a name. UserError where there is none."""
    if name not in names():
        known = ", ".join(names())
        raise UserError("there is no such backend", place=printable(name), remedy=f"there are: {known}")
    found: Backend = import_module(f"{backends.__name__}.{name}").BACKEND
    return found


def of(run: RunDir) -> Backend:
    """The backend that the run was last submitted to; this machine where nothing says otherwise."""
    note = _note(run)
    return backend(LOCAL if paths.gone(note) else documents.read_text(note, 256).strip())


def training(run: RunDir, *, force: bool = False) -> Job:
    """The job that trains a run: it resumes where there are checkpoints, with `force` even a changed run."""
    resume = ("--resume",) if checkpoints.any_in(run.checkpoints_path) else ()
    return Job("train", (*resume, *(("--force",) if force else ())), run.path)


def train(run: RunDir, *, force: bool = False, on: str = LOCAL) -> int:
    """Start training a run, or start it again, on a backend. Returns the id of its job."""
    chosen = backend(on)
    note = _note(run)
    try:
        if on == LOCAL:
            note.unlink(missing_ok=True)
        else:
            note.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            write_text(note, on + "\n")
    except OSError as fault:
        raise UserError(f"can't be written ({fault.strerror})", place=printable(str(note))) from None
    return chosen.submit(training(run, force=force), run)


def stop(run: RunDir, by: str, *, kill: bool = False) -> bool:
    """Ask a run to save a checkpoint and end, or end it at once. Whether there was anybody to tell."""
    return of(run).stop(run, by, kill=kill)


def _note(run: RunDir) -> Path:
    return run.control_path / "backend"
