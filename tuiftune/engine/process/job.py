"""A training job as a process: one at a time in a run, quiet, stoppable, and with exactly one end."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import traceback
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from tuiftune import paths
from tuiftune.engine.distributed.group import Group, is_broken_connection
from tuiftune.engine.distributed.lookout import Lookout
from tuiftune.engine.distributed.ranks import (
    DIED,
    ECHO,
    MEETING_PLACE,
    Ranks,
    follow_launcher,
    say,
    started,
)
from tuiftune.engine.process import downsize, gpu, ground
from tuiftune.engine.process.faults import Ending, ending_of
from tuiftune.engine.process.gpu import Pulse
from tuiftune.engine.process.ground import Ground
from tuiftune.engine.process.report import Report
from tuiftune.engine.process.stopping import StoppedError, Stopping
from tuiftune.engine.training import settings
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable
from tuiftune.secret_forms import without_secrets
from tuiftune.streams import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir


def train(path: Path, *, resume: bool, force: bool) -> ExitCode:
    """Run the job in a run directory. Raises UserError only where nothing may be written there."""
    from tuiftune.runs.store import control
    from tuiftune.runs.store.directory import RunDir

    run = RunDir.open(path)
    os.umask(os.umask(0o077) | 0o002)  # what libraries create isn't for all to write either
    if started() > 1 and (ranks := Ranks(_size(run))).rank:  # rank 0 of the same launcher holds the run
        follow_launcher()
        _silence(run)
        _follow(run, Group(ranks.rank, ranks.size), -1, Ground(run), resume=resume, force=force)
    with _alone(run) as lock:
        _refuse_to_repeat(run, resume)
        ranks = Ranks(_size(run))
        place = Ground(run)
        stopping = Stopping(lambda: control.stop_requested(run), place.lost)
        stopping.listen()
        _announce(run)
        terminal = _silence(run)
        rank, pipe = ranks.start(run.control_path / MEETING_PLACE)
        if rank:
            os.close(lock)
            _follow(run, Group(rank, ranks.size), pipe, place, resume=resume, force=force)
        return _lead(run, ranks, stopping, terminal, place, resume=resume, force=force)


def _lead(
    run: RunDir,
    ranks: Ranks,
    stopping: Stopping,
    terminal: int | None,
    place: Ground,
    *,
    resume: bool,
    force: bool,
) -> ExitCode:
    """Rank 0, and for most runs the only one."""
    from tuiftune.runs.log.writer import EventWriter

    writer = EventWriter(run.events_path)
    place.log = writer
    report = Report(writer)
    group = Group(0, ranks.size)
    lookout = Lookout(group, report, run.control_path)
    pulse = Pulse(report, run.path, place.lost, lookout)
    once = threading.Lock()

    def conclude(ending: Ending) -> None:
        once.acquire()  # never released: a second caller waits for the process to end
        again = ending.state == "oom" and stopping.asked() is None and not ranks.launched
        again = again and downsize.downsize(run, settings.read(run), report, ending.others)
        ranks.end()
        pulse.stop()
        lookout.stop()
        if ending.state == DIED:  # the run is stopped as one; `--keep-alive` relies on that
            report.warning("process_lost", f"{ending.why}, so the run stops", f"`tuiftune resume {run.name}`")
        elif not again:
            report.emit("end", state=ending.state, exit_code=int(ending.exit_code), why=ending.why)
        writer.close()
        if again:
            downsize.become_fresh(run.path, force=force, terminal=terminal)
        _last_word(terminal, ending)
        if ranks.size > 1:  # a broken connection between ranks may hang in being taken down
            _exit(ending.exit_code)

    ranks.guard(conclude)
    try:
        report.phase("loading", "starting")
        pulse.start()
        lookout.start()
        if run.result() is None:
            from tuiftune.engine.training import recipe

            recipe.train(run, report, stopping, resume=resume, force=force, group=group, ground=place)
        ending = Ending("done", ExitCode.DONE, "")
    except BaseException as fault:
        ending = _ending(fault, ranks, stopping)
    conclude(ending)
    return ending.exit_code


def _follow(run: RunDir, group: Group, pipe: int, place: Ground, *, resume: bool, force: bool) -> NoReturn:
    """Any other rank: it says nothing but its last word, and only rank 0 tells it to stop."""
    from tuiftune.runs.log.writer import Silence

    ending = Ending("done", ExitCode.DONE, "")
    try:
        if run.result() is None:
            from tuiftune.engine.training import recipe

            nobody = Stopping(lambda: None)
            silent = Report(Silence())
            Lookout(group, silent, run.control_path).start()
            recipe.train(run, silent, nobody, resume=resume, force=force, group=group, ground=place)
    except BaseException as fault:
        ending = ending_of(fault).beside(gpu.held_by_others())
        if is_broken_connection(fault):
            ending = Ending(ECHO, ExitCode.FAILED, ending.why)
        elif ending.state in ("failed", "oom", "disk") and not isinstance(fault, UserError):
            traceback.print_exc()
    say(pipe, ending)
    _exit(ending.exit_code)


def _ending(fault: BaseException, ranks: Ranks, stopping: Stopping) -> Ending:
    """What ended the run: the fault, or that of the rank whose end it is the echo of; but where the directory
    was taken away, that.
    """
    if ranks.size > 1 and is_broken_connection(fault) and (cause := ranks.cause()):
        return cause
    ending = ending_of(fault).beside(gpu.held_by_others())
    stop = stopping.asked()
    if stop is not None and stop.by == ground.BY and not isinstance(fault, StoppedError):
        then = "" if not stop.saves else f" (then: {ending.why})"
        ending = replace(ending_of(StoppedError(stop)), why=stop.why + then)
    if ending.state in ("failed", "oom", "disk", "nan"):
        traceback.print_exc()
    return ending


def _exit(code: ExitCode) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(int(code))


def _size(run: RunDir) -> int:
    """Processes of the run. A plan that can't be read is told of by the one process."""
    try:
        return settings.read(run).processes
    except UserError:
        return 1


def _refuse_to_repeat(run: RunDir, resume: bool) -> None:
    """UserError for a run that has its result, or has checkpoints that a fresh start would overwrite.

    A run that died after its result, before it could say so, is only told to its end.
    """
    from tuiftune.runs.log.lines import parse_lines, read_tail
    from tuiftune.runs.store import checkpoints

    ends = [event for event in parse_lines(read_tail(run.events_path)) if event["type"] == "end"]
    told = bool(ends) and ends[-1].get("state") == "done"
    if run.result() is not None and (told or not resume):
        raise UserError("already has a result", place=run.name, remedy="start a new run with another name")
    if not resume and checkpoints.any_in(run.checkpoints_path):
        raise UserError(
            "has checkpoints", place=run.name, remedy=f"continue from them: `tuiftune resume {run.name}`"
        )


def _announce(run: RunDir) -> None:
    """Leave our identity, unless the launcher has; then an old request to stop is not for us."""
    from tuiftune.runs.store import control
    from tuiftune.runs.store.directory import write_text
    from tuiftune.runs.store.process import Identity, identify

    if (known := Identity.load(run.pid_path)) and known.pid == os.getpid() and known.alive:
        return
    if os.getsid(0) != os.getpid():  # started by hand: a launcher gives us a session of our own
        control.clear(run)
    size = paths.size(run.events_path)
    if (me := identify(os.getpid(), size)) is not None:
        write_text(run.pid_path, me.dump())


@contextmanager
def _alone(run: RunDir) -> Iterator[int]:
    """Hold the run: two engines in one directory would ruin each other's checkpoints."""
    from tuiftune.runs.store.holder import LOCK

    run.control_path.mkdir(exist_ok=True)
    descriptor = os.open(run.control_path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "the run is already being trained",
                place=run.name,
                remedy=f"watch it: `tuiftune watch {run.name}`",
            ) from None
        yield descriptor
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
    sys.stdout, sys.stderr = Shown(sys.stdout), Shown(sys.stderr)
    return terminal


def _last_word(terminal: int | None, ending: Ending) -> None:
    """Print the one line that a user who started the engine manually needs."""
    if ending.state == "done":
        return
    line = f"{ending.state}: {ending.why}\n"
    sys.stderr.write(line)
    if terminal is not None:
        with os.fdopen(terminal, "w", encoding="utf-8", errors="replace") as file:
            file.write(printable(without_secrets(line), lines=True))
