"""A study: runs of one preset with changed keys, in one directory, until all are measured or time is up.

Its runs are ordinary runs, one directory each inside the study's, marked in their plan. A process that was
killed loses nothing: the next one with the same study reads what ended, follows what still runs, resumes what
was interrupted, and starts only the rest.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.jobs import backend
from tuiftune.jobs.prepare import prepare
from tuiftune.jobs.study import halving, record
from tuiftune.jobs.study.slots import slots_for
from tuiftune.jobs.study.trial import (
    DIVERGED,
    EARLY,
    ENDED,
    FAILED,
    RUNNING,
    WAITING,
    Trial,
    Watched,
    lighten,
)
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store.directory import PLAN, RunDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tuiftune.jobs.study.slots import Slot
    from tuiftune.jobs.study.variant import Variant
    from tuiftune.preset.schema import Preset

POLL_SECONDS = 0.2
TELL_SECONDS = 0.5
ENDS_WITHIN = 20.0  # seconds that a stopped trial is waited for
EVALUATIONS = 4  # of a trial; the first two are rungs


@dataclass(slots=True)
class Study:
    """What is compared, and how far it is.

    Attributes:
        kind: what it is for: probe, sweep, more-data.
        seeds: each variant is trained with each of them, as long as it is not stopped early.
        steps: of each trial; None for as many as the preset says.
        every: steps between evaluations.
        own: values that every trial has; `by_trial`: those of a trial by the name of its run.
        halves: stop trials early that are clearly behind.
        keeps: keep checkpoints and models of the trials.
        until: when no more may run, by the monotonic clock; None without a limit.
    """

    kind: str
    preset: Preset
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    directory: Path
    digest: str
    steps: int | None = None
    every: int = 1
    own: Mapping[str, Any] = field(default_factory=dict)
    by_trial: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    halves: bool = True
    keeps: bool = False
    until: float | None = None
    trials: list[Trial] = field(default_factory=list)
    asked_to_stop: bool = False
    out_of_time: bool = False
    resumed: int = 0  # trials that an earlier process measured
    _watched: dict[str, tuple[Slot, Watched]] = field(default_factory=dict)
    _told: float = 0.0

    def __post_init__(self) -> None:
        self.trials = [
            Trial(variant, seed, f"{variant.key}-seed-{seed}")
            for seed in self.seeds
            for variant in self.variants
        ]

    @property
    def finished(self) -> bool:
        """Return True if nothing is left to run."""
        return all(trial.state in ENDED or self._is_out(trial) for trial in self.trials)

    @property
    def seconds(self) -> float:
        """Return the time that its trials took, added up."""
        return sum(trial.seconds for trial in self.trials)

    def run(self, tell: Callable[[Study], None] = lambda study: None) -> None:
        """Run what is left, until all is measured, time is up or it was asked to stop.

        `tell` is called as trials go on. On an interrupt the running trials are stopped with a checkpoint.

        Raises:
            UserError: if another process holds the study, or a trial cannot be prepared, or none be measured.
        """
        with record.alone(self.directory):
            self._take_up()
            self._write()
            slots = slots_for(self.preset)
            try:
                while self._work(slots):
                    self._tell(tell)
                    time.sleep(POLL_SECONDS)
            finally:
                self._leave()
                self._write()
            self._tell(tell, now=True)
        self._refuse_nothing()

    def of(self, variant: Variant) -> list[Trial]:
        """Return the trials of a variant."""
        return [trial for trial in self.trials if trial.variant.key == variant.key]

    def document(self) -> dict[str, Any]:
        """Return what the study's file says."""
        return {
            "kind": self.kind,
            "digest": self.digest,
            "preset": self.preset.name,
            "seeds": list(self.seeds),
            "steps": self.steps,
            "variants": [{"key": one.key, "values": dict(one.values)} for one in self.variants],
            "trials": [trial.document() for trial in self.trials],
            "seconds": round(self.seconds, 1),
            "finished": self.finished,
        }

    def _work(self, slots: Sequence[Slot]) -> bool:
        """Poll what runs and fill what is free. Returns False when there is nothing more to do."""
        for name, (_, watched) in list(self._watched.items()):
            self._judge(watched.trial, watched.poll())
            if watched.settle():
                del self._watched[name]
                self._ended(watched)
            elif watched.trial.state == WAITING:  # to be resumed; one that ends just now is settled next time
                del self._watched[name]
        if self.until is not None and time.monotonic() >= self.until and not self.finished:
            self.out_of_time = True
        if self.out_of_time or self.asked_to_stop:
            return False
        for slot in slots:
            if not any(slot == taken for taken, _ in self._watched.values()):
                following = next(self._waiting(), None)
                if following is not None:
                    self._start(following, slot)
        return bool(self._watched) or next(self._waiting(), None) is not None

    def _waiting(self) -> Iterator[Trial]:
        for trial in self.trials:
            if trial.state == WAITING and not self._is_out(trial):
                yield trial

    def _is_out(self, trial: Trial) -> bool:
        """Whether its variant was stopped early, or failed, with another seed."""
        lost = (EARLY, DIVERGED, FAILED)
        return trial.state == WAITING and any(
            other.variant.key == trial.variant.key and other.state in lost for other in self.trials
        )

    def _start(self, trial: Trial, slot: Slot) -> None:
        try:
            run = self._prepared(trial, slot)
        except UserError as fault:  # the others may do
            trial.state, trial.why = FAILED, str(fault)
            self._write()
            return
        trial.tries += 1
        watched = Watched(trial, run)
        self._watched[trial.run] = (slot, watched)
        trial.state = RUNNING
        if not vitals(run).running:
            backend.train(run)
        self._write()

    def _prepared(self, trial: Trial, slot: Slot) -> RunDir:
        path = self.directory / trial.run
        if paths.is_file(path / PLAN):
            return RunDir.open(path)
        values = {
            "training.max_steps": self.steps,
            "run.save_every": self.every,
            "run.report_to": [],
            "run.sync_to": None,
            "evaluation.every": "auto",
            "evaluation.samples": 0,
            **self.own,
            **trial.variant.values,
            **self.by_trial.get(trial.run, {}),
            "training.seed": trial.seed,
            "name": trial.run,
            **({} if slot is None else {"hardware.gpus": list(slot)}),
        }
        if self.steps is None:
            del values["training.max_steps"]
        mark = {"kind": self.kind, "directory": self.directory.name, "variant": trial.variant.key}
        return prepare(
            self.preset.with_values(values), self.directory, trial.run, preflight=False, study=mark
        )

    def _judge(self, trial: Trial, reached: Sequence[float]) -> None:
        """Stop a trial that is clearly behind at a rung."""
        if not self.halves or trial.state != RUNNING:
            return
        others = [one for one in self.trials if one.seed == trial.seed and one is not trial]
        for rung in reached:
            if why := halving.behind(trial, others, rung):
                halving.stop(trial, why)
                self._kill(self._watched[trial.run][1].run, why)
                return

    def _kill(self, run: RunDir, why: str) -> None:
        by = f"{self.kind}: {why}"
        try:
            backend.stop(run, by, kill=True)
        except UserError:  # it is about to end by itself
            backend.stop(run, by)

    def _ended(self, watched: Watched) -> None:
        if watched.trial.state != FAILED and not self.keeps:
            lighten(watched.run)
        self._write()

    def _take_up(self) -> None:
        """Read what earlier processes left: trials that ended, still run, or are to be resumed."""
        try:
            known = {one["run"]: one for one in record.read(self.directory).get("trials", ())}
        except (UserError, KeyError, TypeError):
            known = {}
        for trial in self.trials:
            path = self.directory / trial.run
            if not paths.is_file(path / PLAN):
                continue
            if (before := known.get(trial.run, {})).get("state") == EARLY:
                trial.state, trial.why = EARLY, str(before.get("why", ""))
            watched = Watched(trial, RunDir.open(path))
            if vitals(watched.run).state == "new":
                continue
            ended = watched.settle()
            if trial.state == FAILED:  # what failed then is tried again
                trial.state, trial.why = WAITING, ""
            elif ended:
                self.resumed += 1
                if not self.keeps:
                    lighten(watched.run)
            elif vitals(watched.run).running:
                trial.state = RUNNING
                gpus = (watched.run.planned().resolved.get("hardware") or {}).get("gpus")
                self._watched[trial.run] = (tuple(gpus) if isinstance(gpus, list) else None, watched)

    def _leave(self) -> None:
        """Stop what still runs, with a checkpoint, so that the next process goes on from it."""
        left = [watched for _, watched in self._watched.values()]
        for watched in left:
            if vitals(watched.run).running:
                backend.stop(watched.run, f"{self.kind}", kill=False)
        until = time.monotonic() + ENDS_WITHIN
        while any(vitals(watched.run).running for watched in left) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        for watched in left:
            watched.settle()
            if watched.trial.state in (RUNNING, FAILED):
                watched.trial.state, watched.trial.why = WAITING, ""
        self._watched.clear()

    def _refuse_nothing(self) -> None:
        """UserError where every trial failed: with the reason of the first."""
        failed = [trial for trial in self.trials if trial.state == FAILED]
        if failed and not any(trial.latest is not None for trial in self.trials):
            path = self.directory / failed[0].run
            remedy = f"see its log: `tuiftune logs {path}`" if paths.exists(path) else ""
            why = f"no run could be measured: {failed[0].why}"
            raise UserError(why, place=self.directory.name, remedy=remedy)

    def _tell(self, tell: Callable[[Study], None], *, now: bool = False) -> None:
        if now or time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            tell(self)

    def _write(self) -> None:
        record.write(self.directory, self.document())


def every(steps: int) -> int:
    """Return the steps between the evaluations of a trial, so that its rungs are evaluated."""
    return max(1, steps // EVALUATIONS)
