"""Companions of a run: processes that follow it from outside, one of a kind, and never hinder it."""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiftune import interpreter, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store.directory import DIRECTORY_MODE, FILE_MODE, write_text
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

DIED_AFTER = 15.0  # seconds without a process, after which a run that has not said so is over
PAUSES = (5.0, 30.0, 120.0, 300.0)  # seconds before each new attempt of a companion whose other end fails


def start(run: RunDir, place: Path, name: str, *arguments: str) -> None:
    """Start a command that outlives this process; what it says is appended to `place`/`name`.log."""
    _made(place)
    log = os.open(place / f"{name}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        words = interpreter.command("tuiftune", arguments[0], str(run.path), *arguments[1:])
        interpreter.start(words, stdout=log, stderr=log, session=True)
    finally:
        os.close(log)


@contextmanager
def alone(
    run: RunDir, place: Path, name: str, doing: str, *, patient: bool, waits: bool = False
) -> Iterator[None]:
    """Hold the only one of its kind; a patient one waits for the one of before a resume, and one that
    `waits` for any, however long it takes.

    Raises UserError if another process is `doing` this, such as "being sent to TensorBoard".
    """
    try:
        _made(place)
        lock = os.open(place / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as fault:
        raise UserError(
            f"cannot be written ({fault.strerror})",
            place=printable(str(place)),
            remedy="check the permissions of the run's directory",
        ) from None
    try:
        until = math.inf if waits else time.monotonic() + (2 * DIED_AFTER if patient else 0)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise UserError(
                        f"is {doing} already", place=run.name, remedy="wait until the run ends"
                    ) from None
                time.sleep(0.2)
        yield
    finally:
        os.close(lock)


def over(run: RunDir, quiet_seconds: float) -> bool:
    """Return True if a run has said that it ended, or has had no process for `quiet_seconds` and longer."""
    state = vitals(run).state
    if state in ("running", "queued", "new"):
        return state == "new" and quiet_seconds > DIED_AFTER
    return state != "died" or quiet_seconds > DIED_AFTER


def note(place: Path, name: str, document: dict[str, object]) -> None:
    """Write down how far a companion is, where the run's directory is still there."""
    if paths.is_dir(place):
        write_text(place / f"{name}.json", json.dumps(document) + "\n")


def line_of(fault: BaseException) -> str:
    """Return what a library raised in one line without secrets."""
    return without_secrets(printable(str(fault).strip().split("\n")[0] or type(fault).__name__))


def _made(place: Path) -> None:
    place.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
