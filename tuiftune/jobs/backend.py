"""The `Backend` protocol, the registry of `backends/`, and how a run is trained and stopped by one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tuiftune import documents, paths
from tuiftune.engine_call import Job
from tuiftune.errors import UserError
from tuiftune.jobs import backends, copies, tracking
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
    """A place where an engine can run. Wherever it runs, its output is in the run's directory."""

    def submit(self, job: Job, run: RunDir) -> int:
        """Start a job that holds the run. Returns its ID. Raises UserError if it cannot be started."""

    def status(self, run: RunDir) -> Vitals:
        """Return whether the run's job is running, and how it ended."""

    def stop(self, run: RunDir, by: str, *, kill: bool = False) -> bool:
        """Request a checkpoint and a stop, or kill the job. Returns False if there is no process.

        `by` names who asked. Raises UserError if the request cannot be made.
        """

    def returned(self, job: int) -> int | None:
        """The exit code of a job that this process submitted; None while it runs, or where it isn't known."""

    def stream(self, run: RunDir) -> Iterator[list[Event]]:
        """Yield the run's events from the first on, as they arrive, until the job ends."""


@runtime_checkable
class Mirrors(Protocol):
    """A backend whose machines don't write the run's directory: it has to be brought up to date."""

    def attend(self, run: RunDir, *, again: bool = False, wait: bool = True) -> None:
        """Bring the directory up to date and keep it so; `again`: even if the run has ended, by its log.

        With `wait`, return when that is done or cannot be done now.
        """

    def take_over(self, run: RunDir) -> int:
        """Follow a run that was started there just now. Returns the process that does so."""


def names() -> list[str]:
    """Return the names of all backends."""
    return sorted(module.name for module in iter_modules(backends.__path__))


def offered() -> list[str]:
    """Return the values of `train --on` that can be used from this machine, as each backend's file says."""
    found: list[str] = []
    for name in names():
        offers = getattr(import_module(f"{backends.__name__}.{name}"), "offered", None)
        found += offers() if offers is not None else []
    return found


def backend(name: str) -> Backend:
    """Return the backend of a name. Raises UserError if there is none."""
    if name not in names():
        known = ", ".join(names())
        raise UserError("unknown backend", place=printable(name), remedy=f"use one of: {known}")
    found: Backend = import_module(f"{backends.__name__}.{name}").BACKEND
    return found


def of(run: RunDir) -> Backend:
    """Return the backend that the run was last submitted to; the local one if none is noted."""
    return backend(named(run))


def named(run: RunDir) -> str:
    """Return the name of the backend that the run was last submitted to; the local one if none is noted."""
    note = _note(run)
    return LOCAL if paths.gone(note) else documents.read_text(note, 256).strip()


def attend(run: RunDir, *, again: bool = False, wait: bool = True) -> None:
    """Bring a run's directory up to date if another machine has the run; see `Mirrors`."""
    chosen = of(run)
    if isinstance(chosen, Mirrors):
        chosen.attend(run, again=again, wait=wait)


def training(run: RunDir, *, force: bool = False) -> Job:
    """Return the job that trains a run, or resumes it if it has checkpoints; `force`: even if changed."""
    resume = ("--resume",) if checkpoints.any_in(run.checkpoints_path) else ()
    return Job("train", (*resume, *(("--force",) if force else ())), run.path)


def train(run: RunDir, *, force: bool = False, on: str | None = None) -> int:
    """Start or resume training a run on a backend. Returns the ID of its job.

    `on`: None for the one that it was last submitted to.
    """
    chosen = of(run) if on is None else backend(on)
    if on is not None:
        _choose(run, on)
    job = chosen.submit(training(run, force=force), run)
    _accompany(run)
    return job


def take_over(run: RunDir, on: str) -> int:
    """Follow a run that the machine of a backend has started already. Returns the process that does so."""
    chosen = backend(on)
    assert isinstance(chosen, Mirrors)
    _choose(run, on)
    job = chosen.take_over(run)
    _accompany(run)
    return job


def _accompany(run: RunDir) -> None:
    tracking.start(run)
    copies.start(run)


def _choose(run: RunDir, on: str) -> None:
    """Note which backend has the run."""
    note = _note(run)
    try:
        if on == LOCAL:
            note.unlink(missing_ok=True)
        else:
            note.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            write_text(note, on + "\n")
    except OSError as fault:
        raise UserError(
            f"cannot be written ({fault.strerror})",
            place=printable(str(note)),
            remedy="check the permissions of the run's directory",
        ) from None


def stop(run: RunDir, by: str, *, kill: bool = False) -> bool:
    """Request a checkpoint and a stop of a run, or kill it. Returns False if there is no process."""
    return of(run).stop(run, by, kill=kill)


def effect_of_stop(step: int) -> str:
    """Return what a stop request does to a run that has finished `step` steps."""
    if step:
        return "The run stops after its current step and saves a checkpoint."
    return "The run stops soon. No step has finished yet, so there may be no checkpoint to resume from."


def _note(run: RunDir) -> Path:
    return run.control_path / "backend"
