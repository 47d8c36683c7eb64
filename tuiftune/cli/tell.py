"""A run followed to its end on standard output: in plain lines, or as JSON events."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from tuiftune.jobs import backend
from tuiftune.printable import printable
from tuiftune.runs.health import notices
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.state.narrate import Narrator
from tuiftune.runs.state.postmortem import cause
from tuiftune.runs.store.companions import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.liveness import Vitals
    from tuiftune.runs.store.directory import RunDir

POLL_SECONDS = 0.25


def in_lines(run: RunDir) -> int:
    """Print the run from its beginning and follow it. Returns its exit code; 0 after Ctrl-C."""
    follower, narrator = Follower(run), Narrator()
    noticed = notices.Notices(run.planned())

    def tell() -> bool:
        new = False
        for event in follower.each():
            new = True
            if event["type"] == "end":
                for sum_up in notices.closing(follower.state, noticed.planned):
                    _print(sum_up)
            line = narrator.tell(event, follower.state)
            if line:
                _print(line)
            for notice in noticed.tell(event, follower.state):
                _print(notice)
        return new

    return _to_end(run, tell)


def as_json(run: RunDir) -> int:
    """Print the events as they arrive, without damaged lines. Returns the run's exit code.

    The last is an `end`: of a process that ended without one it is made up here, with `logged: false`.
    """
    last: Event = {}
    try:
        for events in backend.of(run).stream(run):
            for last in events:
                _write(last)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 0
    seen = vitals(run)
    if last.get("type") != "end" and seen.state in ("died", "killed", "gone"):
        why = cause(run) if seen.state == "died" else seen.why
        _write({"type": "end", "state": seen.state, "exit_code": seen.exit_code, "why": why, "logged": False})
    return _ending(run, seen)


def _write(event: Event) -> None:
    sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")


def _to_end(run: RunDir, tell: Callable[[], bool]) -> int:
    lost, companions = "", Watched(run)
    try:
        while True:
            while tell():
                pass
            seen = vitals(run)
            if seen.line_lost and seen.why != lost:
                sys.stderr.write(f"{run.name}: {printable(seen.why)}\n")
            lost = seen.why
            for line in companions.look():
                sys.stderr.write(f"{run.name}: {line}\n")
            if not seen.running:
                break
            time.sleep(POLL_SECONDS)
        while tell():
            pass
    except KeyboardInterrupt:
        return 0
    return _ending(run, seen)


def _ending(run: RunDir, seen: Vitals) -> int:
    """Print why a run does not run (any more). Returns its exit code."""
    if seen.state == "died":
        sys.stderr.write(f"error: {run.name}: the training process crashed: {cause(run)}\n")
    elif seen.state == "gone":
        sys.stderr.write(f"error: {run.name}: {seen.why}\n")
    elif seen.state == "new":
        sys.stderr.write(f"{run.name}: never started. Start it: `tuiftune resume {run.name}`\n")
    elif seen.state == "queued":
        sys.stderr.write(f"{run.name}: {seen.why}; it starts when the GPU is free\n")
    return seen.exit_code or 0


def _print(line: str) -> None:
    sys.stdout.write(printable(line) + "\n")
    sys.stdout.flush()
