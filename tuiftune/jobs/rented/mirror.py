"""The process that keeps a run's directory here as it is on the machine that trains it.

The event log is continued byte for byte from where it ends here, so that a cut line is completed and none
comes twice. Its `end` is added only after the result has arrived. Any number of machines may do so at once.
"""

from __future__ import annotations

import os
import select
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.jobs import mirrored
from tuiftune.jobs.rented import pulling, record
from tuiftune.jobs.rented.faults import LineLostError, RefusedError
from tuiftune.jobs.rented.line import MARK, Line
from tuiftune.runs.log.lines import parse_line
from tuiftune.runs.store import control, elsewhere

if TYPE_CHECKING:
    import subprocess

    from tuiftune.jobs.rented.record import Record
    from tuiftune.runs.store.directory import RunDir

PATIENCE_VARIABLE = "TUIFTUNE_SSH_PATIENCE"
PATIENCE = 1800.0  # seconds without an answer, after which the machine is taken for gone
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds between attempts, growing
TICK = 0.5
FILES_EVERY = 5.0  # seconds between copies of engine.log, sample answers and checkpoints
HEARD_EVERY = 10.0
QUIET = 20.0  # seconds without an event, after which the machine is asked whether the run is alive
CHUNK = 1 << 18
ACTIVE = ("running", "queued", "new")


def patience() -> float:
    """Return the seconds that a machine may be silent before it is taken for gone."""
    try:
        return float(os.environ.get(PATIENCE_VARIABLE) or PATIENCE)
    except ValueError:
        return PATIENCE


def follow(run: RunDir) -> None:
    """Follow a run until it ends, or its machine has been silent for too long."""
    with mirrored.alone(run):
        mirror = Mirror(run, record.of(run))
        wait = FIRST_WAIT
        while not mirror.over:
            before = mirror.heard
            try:
                mirror.until_lost()
            except (UserError, OSError) as fault:
                if mirror.heard > before:
                    wait = FIRST_WAIT
                if isinstance(fault, RefusedError) or time.monotonic() - mirror.heard > mirror.patience:
                    mirror.give_up(fault)
                    return
                mirror.trouble(fault)
                time.sleep(wait)
                wait = min(LONGEST_WAIT, 2 * wait)


class Mirror:
    """One run. `heard`: when its machine answered last, monotonic; `over`: nothing more will come."""

    def __init__(self, run: RunDir, kept: Record) -> None:
        self.run, self.record = run, kept
        self.line = Line(kept.address)
        self.heard = time.monotonic()
        self.over = False
        known = elsewhere.known(run)
        self._known = known or elsewhere.Elsewhere(str(kept.address), "starting", time.time())
        # One that was taken for gone is asked once, and followed again if it answers.
        self.patience = 0.0 if known is not None and known.state == "gone" else patience()
        self._held = b""  # of a line that has not arrived whole

    def until_lost(self) -> None:
        """Follow the run over one connection.

        Raises:
            LineLostError: when that breaks.
            RefusedError: if the login is not accepted any more.
            OSError: if a file here cannot be written.
        """
        self._held = b""
        if not pulling.is_beginning(self.line, self.record, self.run):
            # Changed by another hand: the log there is the one that counts.
            os.replace(self.run.events_path, self.run.events_path.with_name("events.other.jsonl"))
        if not self._goes_on():
            return
        with tempfile.TemporaryFile() as told, _Files(self):
            stream = self.line.open(self._tail(), told)
            try:
                self._read(stream)
            finally:
                stream.kill()
                stream.wait()
                if stream.stdout is not None:
                    stream.stdout.close()

    def trouble(self, fault: UserError | OSError) -> None:
        """Write down why nothing arrives."""
        self._note(trouble=f"{_without_fix(fault)}. The run continues there; next attempt soon")

    def give_up(self, fault: UserError | OSError) -> None:
        """Record that the machine is out of reach for good, as far as this process can tell."""
        silent = "" if isinstance(fault, RefusedError) else f" since {self._known.silent_for / 60:,.1f} min"
        back = f"When it answers again: `tuiftune watch {self.run.name}`"
        self._note("gone", why=f"{_without_fix(fault)}{silent}. {back}")
        self.over = True

    def _note(self, state: str = "", *, trouble: str = "", why: str = "") -> None:
        heard = self._known.heard
        if not trouble and state != "gone":
            self.heard, heard = time.monotonic(), time.time()
            self.patience = patience()
        self._known = replace(
            self._known, state=state or self._known.state, trouble=trouble, why=why, heard=heard
        )
        elsewhere.keep(self.run, self._known)

    def _read(self, stream: subprocess.Popen[bytes]) -> None:
        """Add what arrives to the log until the run has ended."""
        assert stream.stdout is not None
        source = stream.stdout.fileno()
        greeting: bytes | None = b""  # what a login shell prints by itself
        grown = time.monotonic()
        while not self.over and paths.is_dir(self.run.path):
            ready = select.select([source], [], [], TICK)[0]
            data = os.read(source, CHUNK) if ready else b""
            if ready and not data:
                raise LineLostError("the connection broke", place=str(self.line.address))
            if greeting is not None and data:
                greeting, mark, data = (greeting + data).partition(MARK)
                greeting = None if mark else greeting
            if data:
                grown = time.monotonic()
                self._add(data)
            elif time.monotonic() - grown >= QUIET:
                if not self._goes_on():
                    return
                grown = time.monotonic()
            if time.monotonic() - self.heard >= HEARD_EVERY and time.monotonic() - grown < HEARD_EVERY:
                self._note("running")
            self._pass_on_stop()
        self.over = True

    def _add(self, data: bytes) -> None:
        """Append whole lines as they are; the run's end only when all that belongs to it is here."""
        data = self._held + data
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            if number == len(lines) and whole == len(data) and self._is_last(line):
                self._conclude()
                mirrored.append(self.run.events_path, line)
                self._note("over")
                self.over = True
                return
            mirrored.append(self.run.events_path, line)
        self._held = data[whole:]
        if whole and (self._known.state != "running" or self._known.trouble):
            self._note("running")

    def _is_last(self, line: bytes) -> bool:
        """Return True if a run ends with this line: it may have been resumed after it."""
        event = parse_line(line[:-1]) if b'"end"' in line else None
        if event is None or event["type"] != "end":
            return False
        size = paths.size(self.run.events_path) + len(line)
        state = pulling.state_of(self.line, self.record)[0]
        return state not in ACTIVE and pulling.log_size(self.line, self.record) <= size

    def _conclude(self) -> None:
        """Bring what the run came to."""
        self.files()
        pulling.result(self.line, self.record, self.run)

    def files(self) -> None:
        """Bring what has changed of the files that grow during a run."""
        with _COPYING:
            pulling.small(self.line, self.record, self.run)
            if self.record.sync:
                pulling.newest_checkpoint(self.line, self.record, self.run)

    def _goes_on(self) -> bool:
        """Ask the machine how the run stands. False if nothing more is to come: recorded here."""
        state, why = pulling.state_of(self.line, self.record)
        here = paths.size(self.run.events_path) + len(self._held)
        if state in ACTIVE:
            self._note("running" if here > self._known.log_size else "starting")
            return True
        if state != "gone" and pulling.log_size(self.line, self.record) > here:
            return True  # what it said last is still to come
        if state != "gone":
            self._conclude()
        ended = state in ("died", "gone")
        host = self._known.host
        self._note(state if ended else "over", why=f"on {host}: {self.record.here(why)}" if ended else "")
        self.over = True
        return False

    def _tail(self) -> str:
        """The script that writes the log from where it ends here on."""
        log = pulling.quoted(f"{self.record.run}/events.jsonl")
        start = paths.size(self.run.events_path) + 1
        return f"while [ ! -e {log} ]; do sleep 1; done\nexec tail -c +{start} -f {log}"

    def _pass_on_stop(self) -> None:
        """Tell the machine once that a stop was requested here."""
        if control.stop_requested(self.run) is not None:
            pulling.call(self.line, self.record, "stop", self.record.run, "--no-wait")
            control.clear(self.run)


_COPYING = threading.Lock()


class _Files:
    """A thread that brings files while the log is followed: a checkpoint of some GB must not hold it up."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(FILES_EVERY):
            # What fails here is tried again in a moment; a line that is lost ends the reading of the log too.
            with suppress(UserError, OSError):
                self._mirror.files()


def _without_fix(fault: UserError | OSError) -> str:
    """Return the place and what happened there."""
    return f"{fault.place}: {fault.message}" if isinstance(fault, UserError) else str(fault)


if __name__ == "__main__":
    mirrored.main(follow)
