"""One short run of a study: a variant with a seed, what was measured of it, and how it ended."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.state.readings import number, part, text, whole
from tuiftune.runs.store.result_rows import result_rows

if TYPE_CHECKING:
    from tuiftune.jobs.study.variant import Variant
    from tuiftune.runs.reports.verdict import Part
    from tuiftune.runs.store.directory import RunDir

WAITING, RUNNING, DONE, EARLY = "waiting", "running", "done", "stopped early"
DIVERGED, FAILED = "diverged", "failed"
ENDED = (DONE, EARLY, DIVERGED, FAILED)
RUNGS = (0.25, 0.5)  # shares of the steps after which a trial can be stopped early
GAP = 120.0  # seconds between two events, from which on nothing ran
TRIES = 2  # processes of a trial that end in one of
AGAIN = ("died", "preempted")


@dataclass(slots=True)
class Trial:
    """A run of the study.

    Attributes:
        run: name of its directory in the study's.
        course: eval loss by share of the steps, as far as it got.
        rungs: eval loss at each of `RUNGS` that it reached.
        loss: eval loss of its result; None before that.
        parts: groups of evaluation rows of the result, (sum of the loss, tokens).
        matched: for each answered evaluation row whether the answer matches.
    """

    variant: Variant
    seed: int
    run: str
    state: str = WAITING
    why: str = ""
    step: int = 0
    steps: int | None = None
    base_loss: float | None = None
    course: dict[float, float] = field(default_factory=dict)
    rungs: dict[float, float] = field(default_factory=dict)
    loss: float | None = None
    exact_match: float | None = None
    parts: list[Part] = field(default_factory=list)
    matched: list[bool] = field(default_factory=list)
    seconds: float = 0.0
    tries: int = 0

    @property
    def share(self) -> float:
        """Return how much of its steps it has done, from 0 to 1."""
        if self.state in ENDED:
            return 1.0
        return min(1.0, self.step / self.steps) if self.steps else 0.0

    @property
    def latest(self) -> float | None:
        """Return the eval loss of its result, else of its last evaluation."""
        return self.loss if self.loss is not None else next(reversed(self.course.values()), None)

    def document(self) -> dict[str, Any]:
        """Return what the study's file and `--json` say of it."""
        return {
            "variant": self.variant.key,
            "seed": self.seed,
            "run": self.run,
            "state": self.state,
            "why": self.why,
            "step": self.step,
            "steps": self.steps,
            "base_loss": self.base_loss,
            "course": [[share, loss] for share, loss in self.course.items()],
            "loss": self.loss,
            "exact_match": self.exact_match,
            "seconds": round(self.seconds, 1),
        }


class Watched:
    """A trial's run, read as it goes on."""

    def __init__(self, trial: Trial, run: RunDir) -> None:
        self.trial, self.run = trial, run
        self._reader = EventReader(run.events_path)
        self._last: float | None = None
        trial.seconds = 0.0

    def poll(self) -> list[float]:
        """Take in what is new. Returns the rungs that were reached by it."""
        trial, reached = self.trial, []
        while events := self._reader.poll():
            for event in events:
                kind = event["type"]
                self._timed(number(event, "t"))
                if kind == "start":
                    trial.steps = whole(event, "total_steps") or trial.steps
                elif kind == "step":
                    trial.step = whole(event, "step") or trial.step
                elif kind == "eval" and (loss := number(event, "loss")) is not None:
                    when = text(event, "when")
                    if when == "before":
                        trial.base_loss = loss
                    elif when == "during" and trial.steps:
                        share = round((whole(event, "step") or 0) / trial.steps, 4)
                        trial.course[share] = loss
                        for rung in RUNGS:
                            if rung not in trial.rungs and share >= rung:
                                trial.rungs[rung] = loss
                                reached.append(rung)
        return reached

    def _timed(self, t: float | None) -> None:
        if t is None:
            return
        if self._last is not None and 0 < t - self._last < GAP:
            self.trial.seconds += t - self._last
        self._last = t

    def settle(self) -> bool:
        """Take in how the run ended. Returns False while it runs, or where it is to be resumed."""
        self.poll()
        trial, seen = self.trial, vitals(self.run)
        if seen.running:
            return False
        if trial.state == EARLY:
            return True
        if seen.state == "done":
            self._result()
            return True
        if seen.state in ("nan", "diverged"):
            trial.state, trial.why = DIVERGED, seen.why
        elif seen.state in AGAIN and trial.tries < TRIES:
            trial.state, trial.why = WAITING, seen.why
        else:
            trial.state, trial.why = FAILED, seen.why or seen.state
        return trial.state != WAITING

    def _result(self) -> None:
        trial = self.trial
        try:
            result = self.run.result() or {}
        except UserError as fault:
            trial.state, trial.why = FAILED, str(fault)
            return
        after = part(result, "after")
        trial.loss, trial.base_loss = number(after, "loss"), number(part(result, "before"), "loss")
        trial.exact_match = number(after, "exact_match")
        trial.parts = parts_of(result)
        if trial.exact_match is not None:
            rows = result_rows(self.run)
            trial.matched = [bool(row.right_after) for row in rows if row.after is not None]
        trial.step = whole(result, "steps") or trial.step
        trial.state = DONE if trial.loss is not None else FAILED
        trial.why = "" if trial.loss is not None else "its result has no eval loss"


def parts_of(result: dict[str, Any]) -> list[Part]:
    """Return the groups of evaluation rows of a result.json; [] in one of an earlier version."""
    found = part(result, "after").get("loss_parts")
    if not isinstance(found, list):
        return []
    try:
        return [(float(loss), int(tokens)) for loss, tokens in found]
    except (TypeError, ValueError):
        return []


def lighten(run: RunDir) -> None:
    """Delete what a measured trial does not need any more: its checkpoints and its model."""
    for path in (run.checkpoints_path, run.result_path / "model"):
        shutil.rmtree(path, ignore_errors=True)
