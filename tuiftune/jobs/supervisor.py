"""The supervisor of a run (`--keep-alive`): restarts it after a crash, a preemption or a lack of GPU memory.

It does not restart after what a restart cannot fix: NaN loss, divergence, a full disk, invalid settings, or a
stop that was requested.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import interpreter
from tuiftune.jobs import backend
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.store import checkpoints, control, keeper
from tuiftune.runs.store.keeper import RESTARTABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.store.directory import RunDir

ENDS = {"died": "Crashed", "preempted": "Preempted", "oom": "Out of GPU memory"}
PAUSES = (5.0, 30.0, 120.0)  # seconds before the first, second and third restart without progress
LOOK_EVERY = 0.25
STARTS_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Followed:
    """The end of one engine process.

    Attributes:
        exit_code: of the process.
        enough: True if its follower wants no restart.
    """

    exit_code: int
    enough: bool


def supervise(
    run: RunDir,
    follow: Callable[[int], Followed],
    *,
    say: Callable[[str], None],
    asked_to_end: Callable[[], bool],
    start: Callable[[], int],
    pauses: tuple[float, ...] = PAUSES,
) -> int:
    """Follow a run to its end and restart it as often as needed. Returns the last exit code.

    Args:
        follow: returns once the engine with a process ID has ended or was detached.
        asked_to_end: True once this process was asked to end; there is no restart after that, nor after a
            stop request for the run.
        pauses: seconds before each restart; after `len(pauses)` restarts in a row without a new checkpoint
            the supervisor gives up.
    """
    with keeper.noted(run):
        return _supervised(run, follow, say, asked_to_end, start, pauses)


def _supervised(
    run: RunDir,
    follow: Callable[[int], Followed],
    say: Callable[[str], None],
    asked_to_end: Callable[[], bool],
    start: Callable[[], int],
    pauses: tuple[float, ...],
) -> int:
    tried = 0
    while True:
        before = _newest(run)
        seen = backend.of(run).status(run)
        # A running engine was started by an earlier supervisor.
        followed = follow(seen.pid if seen.running and seen.pid is not None else start())
        state = backend.of(run).status(run).state
        if followed.enough or state not in RESTARTABLE:
            return followed.exit_code
        tried = 0 if _newest(run) > before else tried
        if tried == len(pauses):
            say(f"Giving up after {tried} restarts without a new checkpoint.")
            return followed.exit_code
        say(f"{ENDS[state]}. Restarting in {pauses[tried]:g} s ({tried + 1} of {len(pauses)}).")
        if not _pause(run, pauses[tried], asked_to_end):
            return followed.exit_code
        tried += 1
        writer = EventWriter(run.events_path)
        writer.emit("control", what="restart", by=f"--keep-alive ({tried} of {len(pauses)}, {state})")
        writer.close()


def detach(run: RunDir, *, force: bool = False) -> int:
    """Start a supervisor in its own session. Returns its process ID once it has started the engine."""
    command = interpreter.command("tuiftune", "resume", str(run.path), "--keep-alive")
    process = interpreter.start([*command, "--force"] if force else command, session=True)
    until = time.monotonic() + STARTS_WITHIN
    while backend.of(run).status(run).pid is None and process.poll() is None and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
    return process.pid


def _newest(run: RunDir) -> int:
    """Return the step of the newest checkpoint; -1 before the first."""
    found = checkpoints.found_in(run.checkpoints_path).checkpoints
    return found[0][0] if found else -1


def _pause(run: RunDir, seconds: float, asked_to_end: Callable[[], bool]) -> bool:
    """Wait. Returns False as soon as the run or this process is asked to stop."""
    until = time.monotonic() + seconds
    try:
        while not asked_to_end() and time.monotonic() < until:
            if control.stop_requested(run) is not None:
                return False
            time.sleep(min(LOOK_EVERY, seconds))
    except KeyboardInterrupt:
        return False
    return not asked_to_end()
