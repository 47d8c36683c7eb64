"""Asking a run to stop, by a file in its directory and a signal to its process. Any watcher may ask."""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.control_group import memory_kills
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.store.directory import DIRECTORY_MODE, write_text
from tuiftune.runs.store.holder import signal_engine

SUBMITTED = "submitted"
MOST_BYTES = 64 * 1024  # of what is left for the engine

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir


def request_stop(run: RunDir, by: str, *, signal_too: bool = False) -> None:
    """Ask for a checkpoint and an orderly end (exit code 4). `by` says who asked, e.g. "tuiftune stop".

    The file is enough: the engine looks at every step. With `signal_too` SIGTERM tells it at once, for when
    it is in the midst of something long. UserError if the run directory cannot be written to.
    """
    try:
        run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        write_text(_stop(run), json.dumps({"by": by, "t": round(time.time(), 3)}) + "\n")
    except OSError as fault:
        raise UserError(
            f"cannot stop the run: the stop request cannot be written ({fault.strerror})",
            place=printable(str(_stop(run))),
        ) from None
    if signal_too:
        signal_engine(run, signal.SIGTERM)


def stop_requested(run: RunDir) -> str | None:
    """Who asked for a stop, or None. Cheap: the engine calls it at every step."""
    path = _stop(run)
    for _ in range(2):  # it may be written between a look and a reading
        try:
            return printable(str(documents.read_json(path, MOST_BYTES).get("by") or "someone"))
        except UserError:
            if not paths.exists(path):
                return None
    return "someone"


def clear(run: RunDir) -> None:
    """Forget earlier requests; done at every launch."""
    _stop(run).unlink(missing_ok=True)
    forget_kill(run)


def note_kill(run: RunDir, by: str) -> None:
    """Say who is about to kill the run: its process is gone before its log can tell. Not on a full disk."""
    with suppress(OSError):
        run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        write_text(_kill(run), by + "\n")


def killed_by(run: RunDir) -> str | None:
    """Who was about to kill this launch of the run, or None."""
    try:
        return printable(documents.read_text(_kill(run), MOST_BYTES).strip())
    except UserError:
        return None


def forget_kill(run: RunDir) -> None:
    """The log tells of it, or it came to nothing."""
    with suppress(OSError):
        _kill(run).unlink(missing_ok=True)


def note_submitted(run: RunDir, what: str | None) -> None:
    """Remember that a scheduler has the run, such as "job 17 of Slurm"; None: it has it no longer."""
    path = run.control_path / SUBMITTED
    if what is None:
        path.unlink(missing_ok=True)
        return
    run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    write_text(path, what + "\n")


def submitted(run: RunDir) -> str | None:
    """What a scheduler has the run as, if nothing was logged since it was submitted."""
    path = run.control_path / SUBMITTED
    noted = paths.modified(path)
    if noted is None or (paths.modified(run.events_path) or 0.0) > noted:
        return None
    try:
        return printable(documents.read_text(path, MOST_BYTES).strip())
    except UserError:
        return None


def note_memory_kills(run: RunDir) -> None:
    """Remember, at a launch, how many processes were killed for want of memory so far."""
    count = memory_kills()
    if count is not None:
        run.control_path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        write_text(_kills(run), f"{count}\n")


def killed_for_memory_since(run: RunDir) -> bool:
    """Whether any process of this machine's or container's share was, since the launch."""
    try:
        before = int(documents.read_text(_kills(run), MOST_BYTES))
    except (UserError, ValueError):
        return False
    return (memory_kills() or 0) > before


def kill(run: RunDir) -> bool:
    """End the engine and all it started at once, nothing saved. Whether there was one to end.

    UserError where the process that engine.pid names does not hold the run.
    """
    return signal_engine(run, signal.SIGKILL, group=True)


def _kills(run: RunDir) -> Path:
    return run.control_path / "memory_kills"


def _kill(run: RunDir) -> Path:
    return run.control_path / "kill"


def _stop(run: RunDir) -> Path:
    return run.control_path / "stop"
