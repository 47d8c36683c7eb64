"""The queue's server: starts the next run when its GPU is free (on a CPU: when the previous run has ended).

It ends with the queue. Runs go on by themselves once they are started, so nothing is lost if it is killed:
the next `tuiftune train … --queue`, or `tuiftune queue --start`, begins another.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tuiftune import interpreter
from tuiftune.errors import UserError
from tuiftune.jobs import backend, supervisor
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store import queue
from tuiftune.runs.store.directory import write_text
from tuiftune.runs.store.find import all_runs, study_runs
from tuiftune.runs.store.process import Identity, identify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tuiftune.hardware.machine import Gpu
    from tuiftune.runs.store.directory import RunDir
    from tuiftune.runs.store.queue import Entry

POLL_SECONDS = 1.0
ANOTHER_WITHIN = 5.0  # seconds that a server which is about to end is waited for
STARTS_WITHIN = 30.0
CPU = "cpu"
SUPERVISOR = "supervisor"  # in a run's `control`: the process that restarts it


def add(run: RunDir, *, keep_alive: bool = False) -> int:
    """Put a run into the queue, and see that it is served. Returns its place in it."""
    place = queue.add(run, keep_alive=keep_alive)
    start_server()
    return place


def start_server() -> None:
    """Start a process that serves the queue, detached. It ends at once if there is one."""
    interpreter.start(interpreter.command("tuiftune", "queue", "--serve"), session=True)


def serve(say: Callable[[str], None] = lambda line: None, *, poll: float = POLL_SECONDS) -> bool:
    """Start queued runs until the queue is empty. Returns False if another process serves it."""
    held = _hold()
    if held is None:
        return False
    try:
        told: str | None = None
        while (first := _first()) is not None:
            try:
                gpus = place_for(first.run)
                if gpus is not None:
                    _start(first, gpus)
                    say(f"started {first.run.name}")
                    continue
                why = ""
            except UserError as fault:
                why = str(fault)
                queue.remove(first.run)
                say(f"error: {first.run.name} is taken out of the queue: {why}")
                continue
            if told != first.run.name:
                told = first.run.name
                say(f"{first.run.name} waits")
            time.sleep(poll)
        return True
    finally:
        os.close(held)


def place_for(run: RunDir) -> tuple[int, ...] | None:
    """Return the GPUs that a run can start on now, () for a CPU or as its preset says; None: not yet."""
    planned = run.planned()
    others = [one for one in running() if one.path != run.path]
    if planned.gpu in (CPU, ""):
        return None if any(one.planned().gpu in (CPU, "") for one in others) else ()
    from tuiftune.hardware.detect import detect

    gpus = detect().gpus
    if not gpus:
        raise UserError(
            "its plan is for a GPU, and there is none", place=run.name, remedy="check with `tuiftune doctor`"
        )
    wanted = planned.resolved.get("hardware") or {}
    named = wanted.get("gpus")
    count = named if isinstance(named, int) else _processes(wanted)
    taken = {index for one in others for index in gpus_of(one)}
    needs = planned.needs or 0.0
    free = [gpu.index for gpu in gpus if gpu.index not in taken and _has_room(gpu, needs)]
    if isinstance(named, list):
        return tuple(named) if set(named) <= set(free) else None
    return tuple(free[:count]) if len(free) >= count else None


def running(runs: Iterable[RunDir] | None = None) -> list[RunDir]:
    """Return this user's runs, studies' too, that have a live process or a supervisor on this host."""
    known = [*all_runs(), *study_runs()] if runs is None else runs
    return [run for run in known if _alive(run.pid_path) or _alive(run.control_path / SUPERVISOR)]


def gpus_of(run: RunDir) -> tuple[int, ...]:
    """Return the indices of the GPUs that a running run holds."""
    planned = run.planned()
    if planned.gpu in (CPU, ""):
        return ()
    wanted = planned.resolved.get("hardware") or {}
    named = wanted.get("gpus")
    if isinstance(named, list):
        return tuple(named)
    return tuple(range(named if isinstance(named, int) else _processes(wanted)))


def _alive(path: Path) -> bool:
    found = Identity.load(path)
    return found is not None and found.alive


def _processes(wanted: dict[str, object]) -> int:
    count = wanted.get("processes")
    return count if isinstance(count, int) else 1


def _has_room(gpu: Gpu, needs: float) -> bool:
    return gpu.memory_free is None or gpu.memory_free >= needs


def _hold() -> int | None:
    until = time.monotonic() + ANOTHER_WITHIN
    while (held := queue.take_server()) is None and time.monotonic() < until:
        if not queue.waiting():
            return None
        time.sleep(0.1)
    return held


def _first() -> Entry | None:
    """The next run that still waits. Those that were started otherwise leave the queue."""
    with queue.changing() as entries:
        entries[:] = [entry for entry in entries if status(entry.run) == "queued"]
        return entries[0] if entries else None


def _start(entry: Entry, gpus: tuple[int, ...]) -> None:
    """Start a run on its GPUs. It leaves the queue once it runs, so that a kill in between loses nothing."""
    run = entry.run
    document = dict(run.planned().document)
    hardware = (document.get("resolved") or {}).get("hardware") or {}
    if gpus and not isinstance(hardware.get("gpus"), list) and gpus != tuple(range(len(gpus))):
        hardware["gpus"] = list(gpus)
        run.write_plan(document)
    if entry.keep_alive:  # between two of its processes, its GPU is not free either
        supervising = identify(supervisor.detach(run))
        if supervising is not None:
            write_text(run.control_path / SUPERVISOR, supervising.dump())
    else:
        backend.train(run)
    queue.remove(run)
