"""A training job as a process: one at a time in a run, quiet, stoppable, and with exactly one end."""

from __future__ import annotations

import fcntl
import os
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiftune.engine import downsize, settings
from tuiftune.engine.card import Pulse
from tuiftune.engine.faults import Ending, ending_of
from tuiftune.engine.report import Report
from tuiftune.engine.stopping import Stopping
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.runs.directory import RunDir


def train(path: Path, *, resume: bool, force: bool) -> ExitCode:
    """Run the job in a run directory. Raises UserError only where nothing may be written there."""
    from tuiftune.runs import control
    from tuiftune.runs.directory import RunDir
    from tuiftune.runs.log import EventWriter

    run = RunDir.open(path)
    os.umask(os.umask(0o077) | 0o002)  # what libraries create isn't for all to write either
    with _alone(run):
        _refuse_to_repeat(run, resume)
        stopping = Stopping(lambda: control.stop_requested(run))
        stopping.listen()
        _announce(run)
        terminal = _silence(run)
        writer = EventWriter(run.events_path)
        report = Report(writer)
        pulse = Pulse(report, run.path)
        ending = Ending("failed", ExitCode.FAILED, "the engine ended without a reason")
        again = False
        try:
            report.phase("loading", "starting")
            pulse.start()
            if run.result() is None:
                from tuiftune.engine import recipe

                recipe.train(run, report, stopping, resume=resume, force=force)
            ending = Ending("done", ExitCode.DONE, "")
        except BaseException as fault:
            ending = ending_of(fault)
            if ending.state in ("failed", "oom", "disk", "nan"):
                traceback.print_exc()
            if ending.state == "oom" and stopping.asked() is None:
                again = downsize.downsize(run, settings.read(run).preset, report)
        finally:
            pulse.stop()
            if not again:
                report.emit("end", state=ending.state, exit_code=int(ending.exit_code), why=ending.why)
            writer.close()
            if not again:
                _last_word(terminal, ending)
        if again:
            downsize.become_fresh(run.path, force=force, terminal=terminal)
    return ending.exit_code


def _refuse_to_repeat(run: RunDir, resume: bool) -> None:
    """UserError for a run that has its result, or has checkpoints that a fresh start would overwrite.

    A run that died after its result, before it could say so, is only told to its end.
    """
    from tuiftune.runs.log import parse_lines, read_tail

    ends = [event for event in parse_lines(read_tail(run.events_path)) if event["type"] == "end"]
    told = bool(ends) and ends[-1].get("state") == "done"
    if run.result() is not None and (told or not resume):
        raise UserError("has its result already", place=run.name, remedy="start a new run under another name")
    if not resume and any(run.checkpoints_path.glob("checkpoint-*")):
        raise UserError(
            "has checkpoints", place=run.name, remedy=f"`tuiftune resume {run.name}` goes on from them"
        )


def _announce(run: RunDir) -> None:
    """Leave our identity, unless whoever launched us has; then an old request to stop is not for us."""
    from tuiftune.runs import control
    from tuiftune.runs.directory import write_text
    from tuiftune.runs.process import Identity, identify

    if (known := Identity.load(run.pid_path)) and known.pid == os.getpid() and known.alive:
        return
    if os.getsid(0) != os.getpid():  # started by hand: a launcher gives us a session of our own
        control.clear(run)
    size = run.events_path.stat().st_size if run.events_path.exists() else 0
    if (me := identify(os.getpid(), size)) is not None:
        write_text(run.pid_path, me.dump())


@contextmanager
def _alone(run: RunDir) -> Iterator[None]:
    """Hold the run: two engines in one directory would ruin each other's checkpoints."""
    run.control_path.mkdir(exist_ok=True)
    descriptor = os.open(run.control_path / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "an engine is at work on it already",
                place=run.name,
                remedy=f"`tuiftune watch {run.name}` shows it",
            ) from None
        yield
    finally:
        os.close(descriptor)


def _silence(run: RunDir) -> int | None:
    """Send all output to engine.log and read from nothing.

    Returns the old standard error, if it went elsewhere.
    """
    log = os.open(run.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    old = os.fstat(2)
    new = os.fstat(log)
    elsewhere = (old.st_dev, old.st_ino) != (new.st_dev, new.st_ino)
    terminal = os.dup(2) if elsewhere else None
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return terminal


def _last_word(terminal: int | None, ending: Ending) -> None:
    """To whoever started the engine by hand, the one line they need."""
    if ending.state == "done":
        return
    line = f"{ending.state}: {ending.why}\n"
    sys.stderr.write(line)
    if terminal is not None:
        with os.fdopen(terminal, "w", encoding="utf-8", errors="replace") as file:
            file.write(line)
