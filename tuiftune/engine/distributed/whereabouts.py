"""Where one of a run's processes is: what its main thread does, since when, and its stack."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tuiftune import documents
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.state.narrate import PHASES
from tuiftune.runs.store.process import start_time

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.process.report import Report

LINKS, ROWS, FORWARD, BACKWARD, LOSS, UPDATE = range(6)  # in the order that every process comes to them
DOING = {
    LINKS: "the first exchange between the processes",
    ROWS: "loading rows",
    FORWARD: "the forward pass",
    BACKWARD: "the backward pass",
    LOSS: "comparing losses with the other processes",
    UPDATE: "the optimizer update",
}
WAITING = ("torch/distributed/", "torch/autograd/graph.py")
INNERMOST = 3  # calls: between an exchange and what waits for it there are up to two of torch's own
FRAMES = 40  # innermost ones that are kept
LATEST = 32  # stays that the longest usual one is taken from
MOST_BYTES = 256 * 1024
IDLE = 0.05  # share of its time below which a process that stays at the same calls uses no CPU
Place = tuple[int, int, int]  # step, micro-batch of the step, what is done: compares as processes get there


@dataclass(frozen=True, slots=True)
class Note:
    """What a process writes down now and then. Seconds are by its own clock.

    `at`: None outside training; `stack`: the innermost call first; `still`: since when the main thread is at
    these calls, and neither the process nor its children use the CPU.
    """

    rank: int
    host: str
    pid: int
    start: float | None = None  # of the process, with which its number alone is not taken for another's
    beat: int = 0
    phase: str = ""
    at: Place | None = None
    seconds: float = 0.0  # since it came there
    longest: float = 0.0  # of its latest stays
    stack: tuple[str, ...] = ()
    still: float = 0.0

    @property
    def waits(self) -> bool:
        """Return True if its main thread is in an exchange, or in autograd, which makes some itself."""
        return any(call.startswith(WAITING) for call in self.stack[:INNERMOST])

    @property
    def doing(self) -> str:
        """In words, with the step."""
        if self.at is None:
            return PHASES.get(self.phase, self.phase) or "starting"
        step, _, what = self.at
        return DOING[what] if what == LINKS else f"{DOING[what]} of step {step:,}"


class Whereabouts:
    """Marked by the main thread as it works, read by any other."""

    def __init__(self) -> None:
        self._here: tuple[Place | None, float] = (None, time.monotonic())
        self._stays: deque[float] = deque(maxlen=LATEST)
        self._rest: tuple[tuple[str, ...], int, float, float] = ((), 0, 0.0, 0.0)

    def mark(self, what: int, step: int = 0, micro: int = 0) -> None:
        """Take in what the process begins to do; of the same step in all processes, the same marks."""
        self._move((step, micro, what))

    def leave(self) -> None:
        """Take in that it does what the processes need not do in step with one another."""
        self._move(None)

    def _move(self, place: Place | None) -> None:
        now = time.monotonic()
        before, since = self._here
        if before is not None:
            self._stays.append(now - since)
        self._here = place, now

    def note(self, rank: int, beat: int, report: Report) -> Note:
        """Where the process is now."""
        place, since = self._here
        calls = stack()
        return Note(
            rank,
            socket.gethostname(),
            os.getpid(),
            start_time(os.getpid()),
            beat,
            report.phase_name,
            place,
            round(time.monotonic() - since, 1),
            round(max([*self._stays], default=0.0), 1),
            calls,
            round(self._still(calls, report.moved), 1),
        )

    def _still(self, calls: tuple[str, ...], moved: int) -> float:
        """Seconds since which nothing has happened here, by the calls, the progress told and the CPU."""
        now, used = time.monotonic(), _cpu_seconds()
        before, told, since, then = self._rest
        if (calls, moved) == (before, told) and used - then <= IDLE * (now - since):
            return now - since
        self._rest = calls, moved, now, used
        return 0.0


def stack() -> tuple[str, ...]:
    """Return the calls that the main thread is in, the innermost first: `FILE:LINE in FUNCTION`."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    if frame is None:
        return ()
    calls = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=FRAMES, lookup_lines=False)
    return tuple(call(one.filename, one.lineno or 0, one.name) for one in calls)


def _cpu_seconds() -> float:
    """CPU time of this process without the calling thread, and of its children, which may tokenize for it."""
    import psutil

    used = time.process_time() - time.thread_time()
    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                times = child.cpu_times()
                used += times.user + times.system
    return used


def call(file: str, line: int, function: str) -> str:
    """A call as it is shown; a library's file from its package on."""
    _, found, inside = file.rpartition("site-packages/")
    return printable(f"{inside if found else file}:{line} in {function}")


def write(note: Note, path: Path) -> None:
    """Leave a note for the other processes. OSError where that can't be done."""
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(asdict(note)), encoding="utf-8")
    os.replace(partial, path)


def read(path: Path) -> Note | None:
    """The note that a process left; None where there is none that can be read."""
    try:
        told = documents.read_json(path, MOST_BYTES)
        place = told["at"]
        return Note(
            int(told["rank"]),
            str(told["host"]),
            int(told["pid"]),
            None if told["start"] is None else float(told["start"]),
            int(told["beat"]),
            str(told["phase"]),
            None if place is None else (int(place[0]), int(place[1]), int(place[2])),
            float(told["seconds"]),
            float(told["longest"]),
            tuple(map(str, told["stack"])),
            float(told["still"]),
        )
    except (UserError, ValueError, KeyError, TypeError, IndexError, OverflowError):
        return None
