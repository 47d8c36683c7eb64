"""Who keeps a run alive (`--keep-alive`): its process, noted while it may start the run again."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.runs.store.directory import DIRECTORY_MODE, write_text
from tuiftune.runs.store.process import Identity, identify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.runs.store.directory import RunDir

NOTE = "keeper.json"
RESTARTABLE = ("died", "preempted", "oom")  # ends after which it starts the run again


@contextmanager
def noted(run: RunDir) -> Iterator[None]:
    """Note this process as the run's keeper, for as long as it may start the run again."""
    path = run.control_path / NOTE
    own = identify(os.getpid())
    try:
        run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        if own is not None:
            write_text(path, own.dump())
    except OSError as fault:
        raise UserError(f"cannot be written ({fault.strerror})", place=str(path)) from None
    try:
        yield
    finally:
        if Identity.load(path) == own:
            path.unlink(missing_ok=True)


def kept(run: RunDir) -> bool:
    """Return True while a keeper on this machine follows the run."""
    keeper = Identity.load(run.control_path / NOTE)
    return keeper is not None and keeper.alive


def restarting(run: RunDir, state: str) -> bool:
    """Return True if a run that ended in `state` is to be started again by its keeper."""
    return state in RESTARTABLE and kept(run)
