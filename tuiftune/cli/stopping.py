"""`tuiftune stop`: request a stop, and wait for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuiftune.cli.terminal import say
from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs import backend
from tuiftune.runs.state.summary import summarize
from tuiftune.runs.store import control, keeper, queue

if TYPE_CHECKING:
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.25
TELL_EVERY = 30.0


def stop(run: RunDir, *, wait: bool, kill: bool) -> int:
    """Request a stop; with `wait`, return when the run has ended. Returns the exit code of the command."""
    seen = backend.of(run).status(run)
    if seen.state == "queued" and (queue.remove(run) or backend.stop(run, "tuiftune stop")):
        say(f"{run.name} is taken out of the queue. Start it: `tuiftune resume {run.name}`")
        return int(ExitCode.DONE)
    if not seen.running and keeper.restarting(run, seen.state):
        control.request_stop(run, "tuiftune stop")
        while wait and keeper.kept(run):
            time.sleep(POLL_SECONDS)
        say(f"{run.name}: will not be restarted ({seen.state}). Continue: `tuiftune resume {run.name}`")
        return int(ExitCode.DONE)
    if not seen.running:
        say(f"{run.name} is not running ({seen.state})")
        return int(ExitCode.DONE)
    if kill:
        if not backend.stop(run, by="tuiftune stop --kill", kill=True):
            raise UserError("its process is not on this machine", place=run.name, remedy=seen.why)
        say(f"{run.name}: killed. Continue from its last checkpoint: `tuiftune resume {run.name}`")
        return int(ExitCode.DONE)
    backend.stop(run, "tuiftune stop")
    if not wait:
        say(backend.effect_of_stop(summarize(run).step))
        return int(ExitCode.DONE)
    try:
        ended = _wait(run)
    except KeyboardInterrupt:
        say("Not waiting any longer. The run stops after its current step.")
        return int(ExitCode.DONE)
    resumable = f". Continue: `tuiftune resume {run.name}`" if ended.resumable else ""
    say(f"{run.name}: {ended.state}{resumable}")
    return int(ExitCode.DONE)


def _wait(run: RunDir) -> Vitals:
    told, waits = time.monotonic(), ""
    while (seen := backend.of(run).status(run)).running:
        if seen.line_lost and seen.why != waits:
            say(f"{seen.why}. The run stops as soon as it can be asked")
        waits = seen.why
        if time.monotonic() - told > TELL_EVERY:
            told = time.monotonic()
            say(f"Still finishing the current step. Stop without saving: `tuiftune stop --kill {run.name}`")
        time.sleep(POLL_SECONDS)
    return seen
