"""`tuiftune stop`: ask a run to end, and wait until it has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuiftune.cli.terminal import say
from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs import backend
from tuiftune.runs.state.liveness import Vitals, vitals

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.25
TELL_EVERY = 30.0


def stop(run: RunDir, *, wait: bool, kill: bool) -> int:
    """Ask, and with `wait` stay until it has ended. Returns the exit code of the command."""
    seen = vitals(run)
    if not seen.running:
        say(f"{run.name} is not running ({seen.state})")
        return int(ExitCode.DONE)
    if kill:
        if not backend.stop(run, by="", kill=True):
            raise UserError("its process is not on this machine", place=run.name, remedy=seen.why)
        say(f"killed; `tuiftune resume {run.name}` goes on from the last checkpoint")
        return int(ExitCode.DONE)
    backend.stop(run, "tuiftune stop")
    if not wait:
        say("asked to stop: it saves a checkpoint at the end of this step")
        return int(ExitCode.DONE)
    try:
        ended = _wait(run)
    except KeyboardInterrupt:
        say("not waiting any longer; it will stop at the end of its step")
        return int(ExitCode.DONE)
    resumable = f"; `tuiftune resume {run.name}` goes on" if ended.resumable else ""
    say(f"{run.name}: {ended.state}{resumable}")
    return int(ExitCode.DONE)


def _wait(run: RunDir) -> Vitals:
    told = time.monotonic()
    while (seen := vitals(run)).running:
        if time.monotonic() - told > TELL_EVERY:
            told = time.monotonic()
            say(
                f"still waiting for the step to end; `tuiftune stop --kill {run.name}` ends it without saving"
            )
        time.sleep(POLL_SECONDS)
    return seen
