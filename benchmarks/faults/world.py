"""The ground of the fault run: a real tiny model, runs in four kinds, and what each comes to undisturbed."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "engine")]

import tiny  # noqa: E402
from warm import Parent  # noqa: E402

from tuiftune.jobs.backend import training  # noqa: E402
from tuiftune.runs.store import control  # noqa: E402
from tuiftune.runs.store.checkpoint_store import Store  # noqa: E402
from tuiftune.runs.store.directory import RunDir  # noqa: E402

STEPS = 12
SAVE_EVERY = 2
LONGEST = 120.0  # seconds for one process; a run that takes longer hangs
GONE_WITHIN = 10.0  # seconds after the engine's end, for what it has started
COMMON: dict[str, Any] = {
    "training__max_steps": STEPS,
    "run__save_every": SAVE_EVERY,
    "evaluation__rows": 2,
    "evaluation__max_new_tokens": 4,
}
KINDS: dict[str, dict[str, Any]] = {
    "lora, dropout, accumulation 4": {"method__dropout": 0.1, "training__micro_batch": 2},
    "full, packed, accumulation 2": {
        "method__technique": "full",
        "data__packing": True,
        "training__learning_rate": 0.002,
    },
    "lora, packed, dropout, accumulation 2": {"method__dropout": 0.2, "data__packing": True},
    "full, accumulation 8": {
        "method__technique": "full",
        "training__micro_batch": 1,
        "training__learning_rate": 0.002,
    },
}
KEPT = (
    "model.safetensors",
    "adapter_model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "rng_state_0.pth",
    "rng_state_1.pth",
)


class Job:
    """One engine process."""

    def __init__(self, parent: Parent, run: Path, fault: dict[str, Any] | None = None) -> None:
        self.run, self._parent = run, parent
        directory = RunDir.open(run)
        control.clear(directory)  # as every launch does
        command = training(directory).command()
        arguments = command[command.index("train") :]
        self.code: int | None = None
        self.began = time.monotonic()
        self.pid = parent.start([arguments], run / "said", fault)

    def poll(self) -> int | None:
        if self.code is None:
            self.code = self._parent.poll(self.pid)
        return self.code

    def wait(self, longest: float = LONGEST) -> int:
        """The exit code; a process that takes too long is ended, and -9 is returned."""
        until = time.monotonic() + longest
        while self.poll() is None:
            if time.monotonic() > until:
                self.send(signal.SIGKILL)
                until = float("inf")
            time.sleep(0.02)
        assert self.code is not None
        return self.code

    def send(self, number: signal.Signals, *, to_all: bool = False) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                (os.killpg if to_all else os.kill)(self.pid, number)

    def kill_a_worker(self) -> None:
        """Any of the processes that the engine has started; itself where there is none yet."""
        with suppress(psutil.NoSuchProcess):
            workers = psutil.Process(self.pid).children()
            (workers or [psutil.Process(self.pid)])[0].kill()

    def orphans(self) -> str:
        """What is left of the engine's session after its end; "" when all are gone in time."""
        until = time.monotonic() + GONE_WITHIN
        while left := [one.pid for one in psutil.process_iter() if _session(one) == self.pid]:
            if time.monotonic() > until:
                return f"processes {left} outlived it"
            time.sleep(0.02)
        return ""

    def wait_for_step(self, step: int) -> None:
        """Until it has logged `step` or has ended."""
        while self.poll() is None and last_step(self.run) < step:
            time.sleep(0.005)


def _session(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (psutil.NoSuchProcess, ProcessLookupError, PermissionError):
        return None


@dataclass(frozen=True)
class Reference:
    """What a kind of run comes to when nothing disturbs it."""

    kept: dict[str, str]  # file of the last checkpoint, SHA-256
    model: dict[str, str]  # file of the result, SHA-256
    losses: dict[int, float]
    result: dict[str, Any]
    seconds: float


class World:
    """Makes runs, starts engines, and knows what must come out. Used by one thread."""

    def __init__(
        self,
        scratch: Path,
        seed: int,
        shared: World | None = None,
        kinds: int = len(KINDS),
        processes: int = 1,
    ) -> None:
        self.scratch, self.processes = scratch, processes
        self.random = random.Random(seed)
        self.parent = shared.parent if shared else Parent()
        self._numbers = itertools.count(1)
        scratch.mkdir(parents=True, exist_ok=True)
        if shared is None:
            self.model = self.parent.make_model(scratch / "model")
            self.data = tiny.write_rows(scratch / "rows.jsonl", tiny.rows())
            start = self.random.randrange(0, len(KINDS), 2)  # an adapter and full tuning at least
            chosen = [*KINDS, *KINDS][start : start + kinds]
            with ThreadPoolExecutor(2) as pool:
                self.references = dict(zip(chosen, pool.map(self._reference, chosen), strict=True))
                self.templates = dict(zip(chosen, pool.map(self._template, chosen), strict=True))
        else:
            self.model, self.data = shared.model, shared.data
            self.references, self.templates = shared.references, shared.templates

    def rank(self) -> int:
        """One of a run's processes."""
        return self.random.randrange(self.processes)

    def accumulation(self, kind: str) -> int:
        """Forward and backward passes a step, of each process."""
        return 8 // self.processes // int(KINDS[kind].get("training__micro_batch", 4))

    def kind(self) -> str:
        return self.random.choice(list(self.references))

    def make(self, kind: str, root: Path | None = None) -> Path:
        several = {"hardware__processes": self.processes} if self.processes > 1 else {}
        preset = tiny.resolved(self.model, self.data, **COMMON, **KINDS[kind], **several)
        return tiny.make_run(root or self.scratch / "runs", f"run-{next(self._numbers)}", preset)

    def half_done(self, kind: str) -> Path:
        """A run that was preempted past its second checkpoint: a copy, free to be damaged."""
        path = self.scratch / "runs" / f"run-{next(self._numbers)}"
        path.parent.mkdir(exist_ok=True)
        shutil.copytree(self.templates[kind], path)
        return path

    def start(self, run: Path, fault: dict[str, Any] | None = None) -> Job:
        return Job(self.parent, run, fault and {"module": "benchmarks.faults.inject", **fault})

    def finish(self, run: Path, kind: str) -> str:
        """Resume to the end and compare to the last bit. What differs; "" when nothing does."""
        newest, _ = Store(run / "checkpoints", 2).newest_whole()
        already = (run / "result" / "result.json").exists()
        before = last_step(run)
        code = self.start(run).wait()
        if code != 0:
            return f"resume ended with {code}: {last_why(run)}"
        if not already:
            resumed = events(run, "start")[-1]["resumed_from"]
            if resumed != (newest.step if newest else None):
                return f"resumed from {resumed}, the newest whole checkpoint was {newest}"
            if before - (resumed or 0) > SAVE_EVERY and not events(run, "warning"):
                return f"{before - (resumed or 0)} steps of work lost"
        return self.difference(run, kind)

    def difference(self, run: Path, kind: str) -> str:
        reference = self.references[kind]
        kept, model = last_checkpoint(run), weights_of(run)
        losses, result = steps(run), result_of(run)
        if kept != reference.kept:
            wrong = [name for name in reference.kept if kept.get(name) != reference.kept[name]]
            return f"the last checkpoint differs in {', '.join(wrong)}"
        if model != reference.model:
            return "the exported model differs"
        if losses != reference.losses:
            wrong_steps = [step for step in reference.losses if losses.get(step) != reference.losses[step]]
            return f"the loss differs at steps {wrong_steps}"
        return "" if result == reference.result else "the scores differ"

    def _reference(self, kind: str) -> Reference:
        found = []
        for _ in range(2):  # twice: what isn't repeatable undisturbed proves nothing when disturbed
            run = self.make(kind)
            job = self.start(run)
            if job.wait() != 0:
                raise RuntimeError(f"{kind} doesn't train undisturbed: {last_why(run)}")
            model = weights_of(run)
            found.append(
                Reference(
                    last_checkpoint(run), model, steps(run), result_of(run), time.monotonic() - job.began
                )
            )
        first, second = found
        if (first.kept, first.model, first.losses, first.result) != (
            second.kept,
            second.model,
            second.losses,
            second.result,
        ):
            raise RuntimeError(f"{kind} isn't repeatable undisturbed")
        return second

    def _template(self, kind: str) -> Path:
        run = self.make(kind, self.scratch / "templates")
        job = self.start(run)
        job.wait_for_step(2 * SAVE_EVERY + 2)
        job.send(signal.SIGTERM)
        if job.wait() != 4:
            raise RuntimeError(f"{kind} doesn't stop: {last_why(run)}")
        return run


def events(run: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """Whole, undamaged events, as any reader sees them."""
    from tuiftune.runs.log.reader import EventReader

    reader = EventReader(run / "events.jsonl")
    found = []
    while more := reader.poll():
        found += more
    return [event for event in found if kind in (None, event["type"])]


def last_step(run: Path) -> int:
    """The last step that was logged; 0 before the first."""
    return max((event["step"] for event in events(run, "step")[-1:]), default=0)


def last_why(run: Path) -> str:
    ends = events(run, "end")
    if ends:
        return str(ends[-1]["why"])
    said = run / "said"
    return said.read_text(errors="replace")[-300:] if said.exists() else "no word"


def phase(run: Path) -> str:
    """What it was at by its log."""
    phases = events(run, "phase")
    return str(phases[-1]["name"]) if phases else "starting"


def steps(run: Path) -> dict[int, float]:
    """The loss of each step; where a step ran twice, of its last time."""
    return {event["step"]: event["loss"] for event in events(run, "step")}


def hashes(paths: Iterable[Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def last_checkpoint(run: Path) -> dict[str, str]:
    folder = run / "checkpoints" / f"checkpoint-{STEPS}"
    return hashes(folder / name for name in KEPT if (folder / name).is_file())


def weights_of(run: Path) -> dict[str, str]:
    return hashes((run / "result" / "model").glob("*.safetensors"))


def result_of(run: Path) -> dict[str, Any]:
    """The result without what may differ: how long it took and where it lies."""
    document = json.loads((run / "result" / "result.json").read_text())
    return {key: value for key, value in document.items() if key not in ("seconds", "model")}
