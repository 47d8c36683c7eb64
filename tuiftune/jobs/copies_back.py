"""Bringing a copied run back: its log, and the newest checkpoint that arrives as it was sealed."""

from __future__ import annotations

import errno
import os
import shutil
import time
from typing import TYPE_CHECKING

from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs import companion, copies, copy_places
from tuiftune.jobs.place import shown
from tuiftune.runs.log.events import END_STATES
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import checkpoints
from tuiftune.runs.store.checkpoints import Checkpoint
from tuiftune.runs.store.directory import DIRECTORY_MODE, INSIDE, PLAN, STAGED, RunDir, check_free, check_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.jobs.place import Place

RETRIES = (1.0, 5.0, 15.0)  # seconds before a file that did not arrive is fetched again
LOST = (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT)


def fetch(
    url: str, root: Path, name: str | None = None, watch: Callable[[str], None] | None = None
) -> RunDir:
    """Bring a copied run back, with its newest whole checkpoint, as a run of this machine.

    Args:
        url: of the run's own directory, such as s3://bucket/runs/NAME.
        root: directory of the runs.
        name: of the run here; None: as there.
        watch: called with the name of each file before it is fetched.

    Raises:
        UserError: if it is not a copy of a run, a run of that name exists, or no checkpoint is whole.
    """
    tell = watch or (lambda file: None)
    there = copy_places.at(url)
    name = name or there.root.rpartition("/")[2]
    check_name(name)
    check_free(root, name)
    staged = root / f"{STAGED}{name}-{os.getpid()}"
    try:
        if there.size(PLAN) is None:
            why = f"is not a copy of a run (it has no {PLAN})"
            raise UserError(why, place=shown(url), remedy=there.no_access)
        staged.mkdir(mode=DIRECTORY_MODE, parents=True)
        for directory in INSIDE:
            (staged / directory).mkdir(mode=DIRECTORY_MODE)
        for file in (file for file in copies.SMALL if there.size(file) is not None):
            tell(file)
            _get(there, staged / file, file)
        _fetch_newest(there, staged, tell)
        _conclude(RunDir(staged), shown(url))
        os.rename(staged, root / name)
    except UserError:
        raise
    except Exception as fault:  # a file system's library may raise anything
        raise UserError(
            f"cannot be fetched: {companion.line_of(fault)}",
            place=shown(url),
            remedy="check the name, your rights and the free disk space",
            exit_code=ExitCode.FAILED,
        ) from fault
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return RunDir.open(root / name)


def _get(there: Place, target: Path, *parts: str) -> None:
    """Fetch a file, and try again where the connection fails."""
    for pause in (*RETRIES, None):
        try:
            there.get(target, *parts)
            return
        except UserError:
            raise
        except Exception as fault:  # a file system's library may raise anything
            here = isinstance(fault, OSError) and fault.errno not in (None, *LOST)
            if here or pause is None:
                raise
        time.sleep(pause)


def _conclude(run: RunDir, url: str) -> None:
    """End the log of a run that was cut off, or it would be taken for one that runs elsewhere."""
    if vitals(run).state not in END_STATES:
        writer = EventWriter(run.events_path)
        writer.emit("control", what="fetch", by=f"tuiftune resume --from {url}")
        why = "its copy was fetched to continue it on another machine"
        writer.emit("end", state="killed", exit_code=int(ExitCode.STOPPED), why=why)
        writer.close()


def _fetch_newest(there: Place, staged: Path, tell: Callable[[str], None]) -> None:
    """The newest checkpoint that arrives as it was sealed; UserError where none does."""
    why = "none was copied"
    for step in sorted(copies.whole_in(there), reverse=True):
        directory = f"checkpoints/checkpoint-{step}"
        for file in there.below(directory):  # shares of several processes are in a directory of their own
            tell(f"{directory}/{file}")
            _get(there, staged / directory / file, directory, *file.split("/"))
        fault = checkpoints.fault_of(Checkpoint(step, staged / directory))
        if fault is None:
            return
        why = f"checkpoint-{step}: {fault}"
        shutil.rmtree(staged / directory)
    raise UserError(f"has no whole checkpoint ({why})", place=shown(there.url))
