"""Whether a run still runs, and how it ended: from its end event, its process identity and its heartbeat."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import ExitCode
from tuiftune.runs.log.lines import parse_lines, read_tail
from tuiftune.runs.state.readings import number, text, whole
from tuiftune.runs.store import control, elsewhere, queue
from tuiftune.runs.store.holder import holds
from tuiftune.runs.store.process import Identity

if TYPE_CHECKING:
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.runs.store.elsewhere import Elsewhere

SILENT_AFTER = 90.0  # seconds without an event: the engine beats every few seconds whatever it does
RESUMABLE = ("stopped", "preempted", "killed", "died", "failed", "nan", "oom", "disk")


@dataclass(frozen=True, slots=True)
class Vitals:
    """`state` is new (never launched), queued, running, died (ended without a word), gone (as its directory
    is, or the machine that it ran on), or one of `events.END_STATES`.

    `silent_for`: seconds since its last event, or since the process was started if that is later; None before
    the first event of all. `exit_code` is None while it runs.
    `line_lost`: it was running when its machine answered last, which it doesn't now; `why` says more.
    """

    state: str
    why: str = ""
    pid: int | None = None
    silent_for: float | None = None
    exit_code: int | None = None
    line_lost: bool = False

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def resumable(self) -> bool:
        return self.state in RESUMABLE

    @property
    def silent(self) -> bool:
        """Runs, yet has said nothing for longer than its heartbeat allows."""
        return self.running and self.silent_for is not None and self.silent_for > SILENT_AFTER


def status(run: RunDir) -> str:
    """ "running", "new", "queued", "died", "gone", or one of `events.END_STATES`."""
    return vitals(run).state


def vitals(run: RunDir) -> Vitals:
    """The state of a run by all that is known of it. Reads only the end of the log; never raises."""
    engine = Identity.load(run.pid_path)
    last, ended = _last_words(run)
    t = None if last is None else number(last, "t")
    silent_for = None if t is None else max(0.0, time.time() - t)
    if engine is None and (there := elsewhere.known(run)) is not None and paths.is_dir(run.path):
        return _elsewhere(run, there, ended)
    if engine is None and (waits := control.submitted(run)) is not None:
        return Vitals("queued", waits, None, silent_for)
    if engine is None and last is None:
        if not paths.is_dir(run.path):
            lost = paths.trouble(run.path)
            why = "was deleted or moved" if paths.gone(run.path) else f"cannot be read ({lost})"
            return Vitals("gone", f"its directory {why}: {run.path}", exit_code=1)
        place = queue.position(run)
        return Vitals("new") if place is None else Vitals("queued", f"number {place} in the queue")
    if ended is not None and not _precedes_launch(run, engine):
        code = whole(ended, "exit_code")
        state = text(ended, "state")
        return Vitals(state, text(ended, "why"), None, silent_for, 1 if code is None else code)
    if engine is not None and engine.alive:
        quiet = _named_for(run) if silent_for is None else silent_for
        if quiet > SILENT_AFTER and not holds(run, engine.pid):  # while it beats, or starts, it is believed
            why = f"process {engine.pid}, named in engine.pid, is not the training process of this run"
            return Vitals("died", why, None, silent_for, 1)
        if silent_for is not None:
            silent_for = min(silent_for, _named_for(run))  # the last event may be a predecessor's
        return Vitals("running", pid=engine.pid, silent_for=silent_for)
    if engine is None or engine.host != socket.gethostname():
        where = f"on {engine.host}" if engine else "somewhere"  # a file system may not show its process yet
        if silent_for is not None and silent_for <= SILENT_AFTER:
            return Vitals("running", f"{where}, by its heartbeat", None, silent_for)
        if engine is not None:
            return Vitals("died", f"no heartbeat from {engine.host}", None, silent_for, 1)
    if (by := control.killed_by(run)) is not None:  # its log will say so at any moment
        return Vitals("killed", f"killed by {by}", None, silent_for, int(ExitCode.STOPPED))
    return Vitals(
        "died", "the training process exited without a message; see engine.log", None, silent_for, 1
    )


def _elsewhere(run: RunDir, there: Elsewhere, ended: Event | None) -> Vitals:
    """The state of a run on a machine whose clock may be wrong: silence is counted by this one's."""
    grown = time.time() - (paths.modified(run.events_path) or there.heard)
    silent_for = max(0.0, grown)
    if ended is not None and paths.size(run.events_path) > there.log_size:
        code = whole(ended, "exit_code")
        state, why = text(ended, "state"), text(ended, "why")
        return Vitals(state, why, None, silent_for, 1 if code is None else code)
    if there.state in ("died", "gone"):
        return Vitals(there.state, there.why, None, silent_for, 1)
    if there.trouble or there.silent_for > SILENT_AFTER:
        why = there.trouble or f"last heard from {there.host} {there.silent_for / 60:,.0f} min ago"
        return Vitals("running", why, line_lost=True)  # it trains on, so that its silence means nothing
    why = f"starting on {there.host}" if there.state == "starting" else f"on {there.host}"
    return Vitals("running", why, None, silent_for)


def _named_for(run: RunDir) -> float:
    """Seconds since the name of the engine's process was written."""
    seen = paths.look(run.pid_path)
    return 0.0 if seen is None else time.time() - seen.st_mtime


def _last_words(run: RunDir) -> tuple[Event | None, Event | None]:
    """The last event, and the `end` event if nothing of a later start follows it."""
    events = parse_lines(read_tail(run.events_path))
    ended: Event | None = None
    for event in events:
        if event["type"] == "end":
            ended = event
        elif event["type"] in ("start", "phase", "step"):
            ended = None
    return (events[-1] if events else None), ended


def _precedes_launch(run: RunDir, engine: Identity | None) -> bool:
    """Whether all of the log was there at the present engine's launch: its end is then a predecessor's."""
    if engine is None:
        return False
    seen = paths.look(run.events_path)
    return seen is not None and seen.st_size <= engine.log_size
