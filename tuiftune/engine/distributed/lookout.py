"""Finds the process that the others of a run wait for, and says where it is: rank, host and stack.

Each process notes every few seconds where its main thread is (`whereabouts.py`), in a file of the run's
directory, which processes on other machines share. Rank 0 compares the notes. A process that is stopped or
no longer answers writes none: its last note is told then, or what Python's fault handler writes at a signal.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune.engine.distributed import whereabouts
from tuiftune.engine.distributed.whereabouts import LINKS, Note
from tuiftune.runs.store.process import start_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.process.report import Report

NOTE_EVERY = 2.0  # seconds
SILENT = 20.0  # seconds without a note: ten were due
BEHIND = 40.0  # seconds that one is awaited, so that it is named within a minute
TIMES = 3  # times the longest of the latest stays at one place, if those are long
ANSWERS_WITHIN = 2.0  # seconds for the fault handler to write
FAULT_LINE = re.compile(r'File "(.*)", line (\d+) in (.*)')
SHOWN = 3  # innermost calls in a message; the event has all
TRAINING = "training"


@dataclass(frozen=True, slots=True)
class Hung:
    """A process that the others wait for: its last note, and in words what it does.

    `rank` is None where all processes wait for one another.
    """

    note: Note
    how: str
    rank: int | None
    silent: bool = False

    @property
    def fix(self) -> str:
        if self.rank is None:
            return "GPUs may not reach one another: try NCCL_P2P_DISABLE=1, or one GPU: hardware.gpus=1"
        return (
            "its whole stack is in the `hung` event; kill the run with `tuiftune stop --kill`, then continue "
            "with `tuiftune resume`"
        )


def judge(notes: Sequence[Note], silent: Mapping[int, float]) -> Hung | None:
    """Return the process that holds the others up; None while all move.

    Args:
        notes: the latest of each process, by rank.
        silent: seconds since each rank's note last changed.
    """
    training = all(note.phase == TRAINING for note in notes)
    quiet = max(notes, key=lambda note: silent.get(note.rank, 0.0))
    # What it noted last may be from before training: one that fell silent then is awaited all the same.
    awaited = all(note.phase == TRAINING or note.waits for note in notes if note is not quiet)
    if awaited and (seconds := silent.get(quiet.rank, 0.0)) >= SILENT:
        return Hung(quiet, f"has not answered for {seconds:.0f} s", quiet.rank, silent=True)
    if any(note.at is None for note in notes):
        return _outside_training(notes)
    places = [note.at for note in notes if note.at is not None]
    bound = max(BEHIND, TIMES * max(note.longest for note in notes))
    if min(note.seconds for note in notes) < bound:
        return None
    last = [note for note in notes if note.at == min(places)]
    if len(last) == len(notes):  # libraries exchange in the middle of a pass, too
        last = [note for note in notes if not note.waits]
    if training and 0 < len(last) < len(notes):
        return Hung(last[0], f"has been in {last[0].doing} for {last[0].seconds:.0f} s", last[0].rank)
    return Hung(notes[0], "", None) if all(what == LINKS for _, _, what in places) else None


def _outside_training(notes: Sequence[Note]) -> Hung | None:
    """One that does nothing while another waits in an exchange; rank None where all wait in one.

    Before and after training one process may work for minutes while the others wait: it uses the CPU.
    """
    if min(note.still for note in notes) < BEHIND:
        return None
    idle = [note for note in notes if not note.waits]
    if not idle:
        return Hung(replace(notes[0], seconds=notes[0].still), "", None)
    if len(idle) == len(notes):
        return None
    first = idle[0]
    how = f"has stood still for {first.still:.0f} s while {first.doing}, without using the CPU"
    return Hung(first, how, first.rank)


class Lookout:
    """The thread of one process that notes where it is, and reads what the others note."""

    def __init__(self, group: Group, report: Report, directory: Path) -> None:
        self._group, self._report, self._directory = group, report, directory
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._note, name="lookout", daemon=True)
        self._seen: dict[int, tuple[int, float]] = {}  # by rank: its latest beat, and when it came
        self._told: set[tuple[object, ...]] = set()  # by rank, and where it stays

    def start(self) -> None:
        """Call from the main thread once all processes are forked. Does nothing for a single process."""
        if self._group.size == 1:
            return
        mine = self._group.rank
        self._path(mine).unlink(missing_ok=True)
        # Open for as long as the process lives: the fault handler writes to the descriptor.
        answers = os.open(self._answers(mine), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        faulthandler.register(signal.SIGUSR2, file=answers, all_threads=False)
        self._thread.start()

    def stop(self) -> None:
        """Remove the notes of all. For rank 0, once the others have ended."""
        if self._group.size == 1:
            return
        self._over.set()
        self._thread.join(timeout=10)
        with suppress(OSError):  # the directory may be gone
            for rank in range(self._group.size):
                self._path(rank).unlink(missing_ok=True)
                self._answers(rank).unlink(missing_ok=True)

    def look(self) -> Hung | None:
        """Return the process that holds the others up, once for each place that it stays at."""
        notes = self._notes()
        now = time.monotonic()
        for note in notes:
            if self._seen.get(note.rank, (None, 0.0))[0] != note.beat:
                self._seen[note.rank] = note.beat, now
        if self._group.size == 1:
            return None
        if len(notes) < self._group.size:
            hung = self._absent(notes)
        else:
            hung = judge(notes, {rank: now - since for rank, (_, since) in self._seen.items()})
        if hung is None:
            return None
        note = hung.note
        told = (hung.rank, note.at) if note.at is not None else (hung.rank, note.phase, note.stack)
        if told in self._told:
            return None
        self._told.add(told)
        return self._asked(hung)

    def _absent(self, notes: Sequence[Note]) -> Hung | None:
        """The first process that has not left a note, where another has long been waiting in an exchange."""
        if all(note.still < BEHIND or not note.waits for note in notes):
            return None
        rank = min(set(range(self._group.size)) - {note.rank for note in notes})
        return Hung(Note(rank, "", 0), "has not started", rank)

    def everybody(self) -> Hung | None:
        """Return where all processes are, if nobody can say which of them the others wait for."""
        notes = self._notes() if self._group.size > 1 else []
        return Hung(notes[0], "", None) if notes else None

    def event(self, hung: Hung) -> dict[str, Any]:
        """What an event says of it: all processes, and which of them is awaited."""
        others = [note for note in self._notes() if note.rank != hung.rank]
        own = [] if hung.rank is None else [hung.note]
        notes = sorted([*others, *own], key=lambda note: note.rank)
        return {
            "stuck": hung.rank,
            "processes": [
                {
                    "rank": note.rank,
                    "host": note.host,
                    "pid": note.pid,
                    "doing": note.doing,
                    "seconds": note.seconds,
                    "stack": list(note.stack),
                }
                for note in notes
            ],
        }

    def words(self, hung: Hung) -> str:
        """One sentence on who is awaited, where it is, and the innermost calls of its stack."""
        note, size = hung.note, self._group.size
        if hung.rank is None:
            return f"all {size} processes have been waiting in {note.doing} for {note.seconds:.0f} s"
        known = f", {note.host}, PID {note.pid}" if note.pid else ""
        which = f"process {note.rank + 1} of {size} (rank {note.rank}{known})"
        calls = " ← ".join(note.stack[:SHOWN])
        return f"{which} {hung.how}; the other processes wait for it" + (
            f". It is at {calls}" if calls else ""
        )

    def _asked(self, hung: Hung) -> Hung:
        """The same with what the system knows of the process, and the stack that it writes at a signal."""
        import psutil

        note = hung.note
        if not note.pid or note.host != socket.gethostname() or start_time(note.pid) != note.start:
            return hung
        state = psutil.Process(note.pid).status()
        if state == psutil.STATUS_STOPPED:
            return replace(hung, how="is stopped (SIGSTOP)")
        if state == psutil.STATUS_DISK_SLEEP:
            return replace(hung, how=f"{hung.how} and waits for a disk")
        if hung.silent and (calls := self._signalled(note)):
            return replace(hung, note=replace(note, stack=calls))
        return hung

    def _signalled(self, note: Note) -> tuple[str, ...]:
        """The stack by the fault handler, which needs no Python there to run; () if it is silent."""
        path = self._answers(note.rank)
        try:
            os.truncate(path, 0)
            os.kill(note.pid, signal.SIGUSR2)
            until = time.monotonic() + ANSWERS_WITHIN
            while not (found := FAULT_LINE.findall(_text(path))):
                if time.monotonic() > until:
                    return ()
                time.sleep(0.05)
        except OSError:
            return ()
        return tuple(whereabouts.call(file, int(line), name) for file, line, name in found)

    def _notes(self) -> list[Note]:
        found = (whereabouts.read(self._path(rank)) for rank in range(self._group.size))
        return [note for note in found if note is not None]

    def _note(self) -> None:
        beat = 0
        while True:
            beat += 1
            with suppress(OSError):  # no space, or the directory is gone: it is told elsewhere
                mine = self._group.whereabouts.note(self._group.rank, beat, self._report)
                whereabouts.write(mine, self._path(self._group.rank))
            # Rank 0 tells of the others in the event log; when it is stopped itself, nobody else may.
            if self._group.rank == 1 and (hung := self.look()) is not None and hung.rank == 0:
                sys.stderr.write(f"{self.words(hung)}\n")
            if self._over.wait(NOTE_EVERY):
                return

    def _path(self, rank: int) -> Path:
        return self._directory / f"rank-{rank}.json"

    def _answers(self, rank: int) -> Path:
        return self._directory / f"rank-{rank}.stack"


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")  # raw: our own process wrote it just now
