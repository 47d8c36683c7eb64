"""`--keep-alive`: a run is started again when it died, was preempted or ran out of memory.

What no restart can mend is never tried again: not-a-number, divergence, a full disk, wrong settings, a run
that was stopped on purpose.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuiftune import interpreter
from tuiftune.cli.asked import Asked
from tuiftune.cli.follow import Following, interactive
from tuiftune.cli.terminal import say
from tuiftune.errors import ExitCode
from tuiftune.jobs import launch
from tuiftune.runs.log.event_log import EventWriter
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.liveness import status, vitals
from tuiftune.runs.store import checkpoints, control

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.store.directory import RunDir

RESTARTABLE = ("died", "preempted", "oom")
PAUSES = (5.0, 30.0, 120.0)  # seconds before the first, second and third restart without progress
LOOK_EVERY = 0.25
STARTS_WITHIN = 30.0


def keep_alive(
    run: RunDir,
    *,
    force: bool = False,
    pauses: tuple[float, ...] = PAUSES,
    start: Callable[[], int] | None = None,
) -> int:
    """Follow a run to its end, through as many engines as that takes. Returns the last one's exit code.

    It gives up after `len(pauses)` restarts in a row without a new checkpoint. Whoever asks the run or this
    process to stop is heeded: then nothing is started again.
    """
    asked = Asked(interactive=interactive())
    follower = Follower(run)
    follower.refresh()  # what a predecessor wrote isn't told again
    tried = 0
    while True:
        before = _newest(run)
        seen = vitals(run)
        if seen.running and seen.pid is not None:  # left by a supervisor that was ended
            pid = seen.pid
        else:
            pid = start() if start else launch.launch(run, force=force)
        following = Following(run, follower, pid, asked)
        code = following.to_end()
        state = status(run)
        if following.left or following.asked_to_stop or state not in RESTARTABLE:
            return code
        tried = 0 if _newest(run) > before else tried
        if tried == len(pauses):
            say(f"{tried} restarts brought no new checkpoint; giving up")
            return code
        say(f"{state}; starting it again in {pauses[tried]:g} s ({tried + 1} of {len(pauses)})")
        if not _pause(run, pauses[tried], asked):
            return code
        tried += 1
        writer = EventWriter(run.events_path)
        writer.emit("control", what="restart", by=f"--keep-alive ({tried} of {len(pauses)}, {state})")
        writer.close()


def detach(run: RunDir, *, force: bool = False) -> int:
    """Leave the keeping to a process of its own session; returns once it has started the engine."""
    command = interpreter.command("tuiftune", "resume", str(run.path), "--keep-alive")
    process = interpreter.start([*command, "--force"] if force else command, session=True)
    until = time.monotonic() + STARTS_WITHIN
    while vitals(run).pid is None and process.poll() is None and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
    say(f"in the background, kept alive by process {process.pid}; `tuiftune watch {run.name}` shows it")
    return int(ExitCode.DONE)


def _newest(run: RunDir) -> int:
    """The step of the newest checkpoint; -1 before the first."""
    found = checkpoints.found_in(run.checkpoints_path).checkpoints
    return found[0][0] if found else -1


def _pause(run: RunDir, seconds: float, asked: Asked) -> bool:
    """Wait; False as soon as the run or this process is asked to stop."""
    until = time.monotonic() + seconds
    try:
        while not asked.to_end and time.monotonic() < until:
            if control.stop_requested(run) is not None:
                return False
            time.sleep(min(LOOK_EVERY, seconds))
    except KeyboardInterrupt:
        return False
    return not asked.to_end
