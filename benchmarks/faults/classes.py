"""The classes of faults. Each makes one try: it does harm, then judges what came of it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.faults.world import SAVE_EVERY, STEPS, events, last_step, last_why, phase
from tuiftune.errors import UserError
from tuiftune.runs.state.liveness import status
from tuiftune.runs.state.postmortem import cause
from tuiftune.runs.store import control
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.store.process import Identity, boot_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.faults.world import World

KILLS_A_RUN = 12  # at most; a run is then let finish
# Of 25 kills, so many at each place; "the clock": wherever it is at a random moment.
PLACES = {"training": 6, "saving": 6, "rotating": 5, "evaluating": 4, "any file": 2, "the clock": 2}
ROTATION = 14  # operations on files of one removed checkpoint, about


@dataclass(frozen=True)
class Outcome:
    """One try. `lost`: why the run isn't what it would have been; `silent`: what should have been said."""

    name: str
    kind: str
    lost: str = ""
    silent: str = ""


def kills(world: World, wanted: int, until: float) -> Iterator[Outcome]:
    """`kill -9`, again and again in a run until one comes too late, spread over `PLACES`."""
    places = [place for place, share in PLACES.items() for _ in range(share)]
    todo = [places[number % len(places)] for number in range(wanted)]
    world.random.shuffle(todo)
    while todo and time.monotonic() < until:
        kind = world.kind()
        run = world.make(kind)
        told: list[tuple[str, str]] = []
        while todo and len(told) < KILLS_A_RUN:
            where = _kill_once(world, run, kind, todo[-1])
            if where is None:
                world.random.shuffle(todo)  # else one that always comes too late would be tried for ever
                break
            todo.pop()
            told.append(where)
        lost = world.difference(run, kind) if status(RunDir.open(run)) == "done" else world.finish(run, kind)
        for number, (where, silent) in enumerate(told, start=1):
            yield Outcome(f"kill -9 while {where}", kind, lost if number == len(told) else "", silent)
        if not lost:
            shutil.rmtree(run)


def _kill_once(world: World, run: Path, kind: str, place: str) -> tuple[str, str] | None:
    """Where it was killed and what that left unsaid; None if it came to its end before."""
    chance = world.random
    steps_ = chance.randint(1, 2 * SAVE_EVERY + 1)
    faults: dict[str, dict[str, Any]] = {
        "training": {
            "kind": "kill in training",
            "number": steps_ * world.accumulation(kind) - chance.randint(0, 1),
        },
        "evaluating": {"kind": "kill in evaluation", "number": chance.randint(1, 8 // world.processes)},
        "saving": {"kind": "kill at a file", "within": "/.staged", "number": chance.randint(1, 90)},
        "rotating": {
            "kind": "kill at a file",
            "within": "/.discarded-",
            "number": chance.randint(1, ROTATION),
        },
        "any file": {"kind": "kill at a file", "within": str(run), "number": chance.randint(1, 260)},
    }
    rank = world.rank()
    fault = faults.get(place)
    # Rank 0 alone rotates; the others do little in files.
    within_all = fault and {**fault, "rank": rank if place in ("training", "evaluating") else None}
    job = world.start(run, within_all)
    if place == "the clock":
        seconds = chance.uniform(0, world.references[kind].seconds)
        while job.poll() is None and time.monotonic() - job.began < seconds:
            time.sleep(0.002)
        if rank:
            job.kill_a_worker()
        else:
            job.send(signal.SIGKILL)
    code, state = job.wait(), status(RunDir.open(run))
    if code >= 0 and state != "died":
        return None
    told = state in ("died", "done") or (state == "new" and not (run / "events.jsonl").exists())
    where = place if place == "rotating" else phase(run)
    if world.processes > 1:
        where += ", of the engine" if code < 0 else ", of a worker"
    return where, job.orphans() or ("" if told else f"its state is told as {state}")


def _expect(run: Path, code: int, expected: int, state: str) -> str:
    ends = events(run, "end")
    told = ends[-1]["state"] if ends else "nothing"
    if (code, told) == (expected, state):
        return ""
    return f"exit {code} and state {told} instead of {expected} and {state}: {last_why(run)}"


SIGNALS = {
    signal.SIGTERM: "preempted",
    signal.SIGUSR1: "preempted",
    signal.SIGINT: "stopped",
}


def signalled(world: World, number: signal.Signals) -> Outcome:
    """A request to end: a checkpoint at the very step, exit 4."""
    kind = world.kind()
    run = world.make(kind)
    job = world.start(run)
    job.wait_for_step(world.random.randint(1, STEPS - 2))
    job.send(number, to_all=world.rank() > 0)
    code = job.wait()
    silent = ""
    if code != 0:
        silent = _expect(run, code, 4, SIGNALS[number])
        saved = [event["step"] for event in events(run, "checkpoint")]
        if not silent and (not saved or saved[-1] != last_step(run)):
            silent = f"step {last_step(run)} was done, the last checkpoint is of {saved[-1:]}"
    lost = world.finish(run, kind) if code else world.difference(run, kind)
    return Outcome(f"{number.name}", kind, lost, silent)


def hung_up(world: World) -> Outcome:
    """The terminal is gone: nothing happens."""
    kind = world.kind()
    run = world.make(kind)
    job = world.start(run)
    for _ in range(2):
        job.wait_for_step(world.random.randint(1, STEPS - 1))
        job.send(signal.SIGHUP, to_all=world.rank() > 0)
    code = job.wait()
    return Outcome("SIGHUP", kind, world.difference(run, kind) if code == 0 else f"it ended with {code}")


def stop_file(world: World) -> Outcome:
    kind = world.kind()
    run = world.make(kind)
    job = world.start(run)
    job.wait_for_step(world.random.randint(1, STEPS - 2))
    control.request_stop(RunDir.open(run), "the fault run")
    code = job.wait()
    silent = _expect(run, code, 4, "stopped") if code else ""
    return Outcome("stop file", kind, world.finish(run, kind) if code else "", silent)


def not_a_number(world: World, what: str) -> Outcome:
    """NaN or infinity: exit 5 within a step, nothing of it in any checkpoint, and on from before."""
    from safetensors.numpy import load_file

    kind = world.kind()
    run = world.make(kind)
    step = world.random.randint(2, STEPS - 1)
    if what.startswith("weight nan"):  # right before a checkpoint
        step = world.random.randrange(SAVE_EVERY, STEPS, SAVE_EVERY)
    job = world.start(run, {"kind": what, "step": step, "rank": world.rank()})
    silent = _expect(run, job.wait(), 5, "nan") or job.orphans()
    if not silent and last_step(run) > step:
        silent = f"it went on to step {last_step(run)} after step {step}"
    for path in (run / "checkpoints").glob("checkpoint-*/*.safetensors"):
        if not all(bool((weight == weight).all()) for weight in load_file(path).values()):
            silent = silent or f"{path.parent.name} holds NaN"
    return Outcome(f"{what} at a step", kind, world.finish(run, kind), silent)


def disk_full(world: World) -> Outcome:
    """From a random file operation on, nothing can be created: exit 7; later there is room again."""
    kind = world.kind()
    run = world.make(kind)
    fault = {
        "kind": "full at a file",
        "within": str(run / "checkpoints"),
        "number": world.random.randint(1, 90),
    }
    code = world.start(run, fault).wait()
    silent = _expect(run, code, 7, "disk") if code else ""
    left = [path.name for path in (run / "checkpoints").iterdir() if not path.name.startswith("checkpoint-")]
    silent = silent or (f"left behind: {left}" if left and code else "")
    lost = world.finish(run, kind) if code else world.difference(run, kind)
    return Outcome("disk full, injected", kind, lost, silent)


def small_disk(world: World) -> Outcome | None:
    """A real file system too small for the run, then enlarged. None where none can be mounted."""
    kind = world.kind()
    disk = world.scratch / "disk"
    disk.mkdir(exist_ok=True)
    kibibytes = world.random.randint(700, 4000)
    if not _mount(disk, f"size={kibibytes}k"):
        return None
    try:
        run = world.make(kind, disk / "runs")
        code = world.start(run).wait()
        silent = _expect(run, code, 7, "disk") if code else ""
        _mount(disk, "remount,size=64m")
        lost = world.finish(run, kind) if code else world.difference(run, kind)
        return Outcome("disk full, a real small one", kind, lost, silent)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def host_memory(world: World) -> Outcome | None:
    """A control group too small for the run: the kernel kills it, and that is named. None where none can be
    made.
    """
    kind = world.kind()
    run = world.make(kind)
    group, limit = _group(f"tuiftune-faults-{run.name}-{world.random.randrange(10**9)}")
    if limit is None:
        return None
    try:
        job = world.start(run, {"kind": "host memory", "step": world.random.randint(2, STEPS - 1)})
        (group / "cgroup.procs").write_text(str(job.pid))
        limit.write_text(str(400_000_000))
        code = job.wait()
        why = cause(RunDir.open(run), code)
        named = code == -signal.SIGKILL and any(
            words in why for words in ("because RAM ran out", "at its RAM limit")
        )
        silent = "" if named else f"exit {code}: {why}"
    finally:
        group.rmdir()
    return Outcome("host memory full, a real limit", kind, world.finish(run, kind), silent)


def _group(name: str) -> tuple[Path, Path | None]:
    """A new control group and the file of its limit of memory (versions 1 and 2)."""
    for top, limit in (("memory", "memory.limit_in_bytes"), (".", "memory.max")):
        group = Path("/sys/fs/cgroup") / top / name
        with suppress(OSError):
            group.mkdir()
            if (group / limit).exists():
                return group, group / limit
            group.rmdir()
    return Path(), None


def _mount(disk: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


CHANGED: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "batch": ("training.effective_batch", lambda value: value * 2, "training.effective_batch"),
    "accumulation": ("training.micro_batch", lambda value: 8 if value != 8 else 4, "training.micro_batch"),
    "epochs": ("training.epochs", lambda value: 7, "training.epochs"),
    "steps": ("training.max_steps", lambda value: value + 8, "training.max_steps"),
    "learning rate": ("training.learning_rate", lambda value: value * 2, "training.learning_rate"),
    "seed": ("training.seed", lambda value: value + 1, "training.seed"),
    "length": ("data.max_length", lambda value: value // 2, "data.max_length"),
    "packing": ("data.packing", lambda value: not value, "data.packing"),
    "rows": ("data.train", lambda value: value, "rows"),
    "processes": ("hardware.processes", lambda value: 2 if value == "auto" else 1, "processes was"),
}


def changed_settings(world: World, what: str) -> Outcome:
    """Other settings than the checkpoint's: exit 2, the difference named, nothing done; as before: exact."""
    kind = world.kind()
    run = world.half_done(kind)
    key, change, named = CHANGED[what]
    plan = run / "plan.json"
    as_it_was = plan.read_text()
    document = json.loads(as_it_was)
    section, name = key.split(".")
    if what == "rows":
        other = world.scratch / "other.jsonl"
        other.write_text("".join(world.data.read_text().splitlines(keepends=True)[:-8]))
        document["resolved"][section][name] = str(other)
    else:
        document["resolved"][section][name] = change(document["resolved"][section][name])
    plan.write_text(json.dumps(document))
    code = world.start(run).wait()
    silent = "" if code == 2 and named in last_why(run) else f"exit {code}: {last_why(run)}"
    plan.write_text(as_it_was)
    return Outcome("settings changed before resume", kind, world.finish(run, kind), silent)


def torn_log(world: World) -> Outcome:
    kind = world.kind()
    run = world.half_done(kind)
    path = run / "events.jsonl"
    whole = path.read_bytes()
    line = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: len(whole) - world.random.randint(1, len(line) - 1)])
    return _damaged_log(world, run, kind, "torn last line in the log")


def spoilt_log(world: World) -> Outcome:
    kind = world.kind()
    run = world.half_done(kind)
    path = run / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    place = next(
        number for number in range(len(lines) // 2, 0, -1) if json.loads(lines[number])["type"] != "step"
    )
    lines[place] = bytes(world.random.randrange(11, 256) for _ in lines[place][:-1]) + b"\n"
    path.write_bytes(b"".join(lines))
    return _damaged_log(world, run, kind, "damaged line in the log")


def _damaged_log(world: World, run: Path, kind: str, name: str) -> Outcome:
    from tuiftune.runs.log.reader import EventReader
    from tuiftune.runs.state.run_state import RunState

    lost = world.finish(run, kind)
    reader, state = EventReader(run / "events.jsonl"), RunState()
    numbers = []
    while more := reader.poll():
        for event in more:
            state.fold(event)
            numbers.append(event["seq"])
    silent = ""
    if reader.skipped != 1:
        silent = f"{reader.skipped} lines are counted as damaged instead of 1"
    elif numbers != sorted(numbers) or state.step != STEPS or state.end is None:
        silent = "the log no longer tells the run"
    return Outcome(name, kind, lost, silent)


def stale_pid(world: World) -> Outcome:
    """The run's process id belongs to somebody else by now: it is neither believed nor signalled."""
    kind = world.kind()
    run = RunDir.open(world.half_done(kind))
    events_ = run.events_path.read_bytes().splitlines(keepends=True)
    run.events_path.write_bytes(b"".join(line for line in events_ if b'"type":"end"' not in line))
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        seen = Identity.load(run.pid_path)
        assert seen is not None
        boot = world.random.choice([boot_id(), "another boot"])
        start = seen.start - 1 if boot == boot_id() else seen.start
        run.pid_path.write_text(Identity(stranger.pid, start, boot, seen.host).dump())
        state = status(run)
        try:
            signalled_ = control.kill(run)
        except UserError:  # it does not hold the run
            signalled_ = False
        time.sleep(0.02)
        silent = "" if state == "died" else f"its state is told as {state}"
        if signalled_ or stranger.poll() is not None:
            silent = "a stranger was killed"
        return Outcome("stale process id", kind, world.finish(run.path, kind), silent)
    finally:
        stranger.kill()
        stranger.wait()
