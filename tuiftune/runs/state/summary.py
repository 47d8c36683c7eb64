"""A run at a glance, for every list of runs: read from the two ends of its log, however long it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.log.lines import first_and_last
from tuiftune.runs.state.liveness import Vitals, vitals
from tuiftune.runs.state.readings import part, whole
from tuiftune.runs.state.run_state import RunState
from tuiftune.runs.store.find import last_active

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.log.events import Event
    from tuiftune.runs.store.directory import RunDir


@dataclass(frozen=True, slots=True)
class Summary:
    """Losses are held-out, matches are shares of answers exactly right; None: not known (yet)."""

    run: RunDir
    vitals: Vitals
    step: int
    total_steps: int | None
    loss: float | None  # training loss of the latest step
    loss_before: float | None
    loss_after: float | None
    match_before: float | None
    match_after: float | None
    technique: str
    model: str
    data: str
    created: float
    active: float

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def status(self) -> str:
        return self.vitals.state

    @property
    def idle(self) -> float:
        """Seconds since its log last grew."""
        return max(0.0, time.time() - self.active)

    @property
    def progress(self) -> float | None:
        return min(1.0, self.step / self.total_steps) if self.total_steps else None

    def document(self) -> dict[str, Any]:
        """An entry of `runs --json`."""
        return {
            "name": self.run.name,
            "path": str(self.run.path),
            "state": self.vitals.state,
            "why": self.vitals.why,
            "exit_code": self.vitals.exit_code,
            "pid": self.vitals.pid,
            "silent_for": self.vitals.silent_for,
            "step": self.step,
            "total_steps": self.total_steps,
            "progress": self.progress,
            "before": {"loss": self.loss_before, "exact_match": self.match_before},
            "after": {"loss": self.loss_after, "exact_match": self.match_after},
            "created": round(self.created, 3),
            "active": round(self.active, 3),
        }


def summarize(run: RunDir) -> Summary:
    """Look at a run's process, result and the first and last events. Never raises for a damaged run."""
    state = RunState()
    events = first_and_last(run.events_path)
    for event in events:
        state.fold(event)
    plan, result = run.planned(), _result(run)
    before, after = part(result, "before"), part(result, "after")
    if state.total_steps is None:
        state.total_steps = plan.steps
    return Summary(
        run=run,
        vitals=vitals(run),
        step=_step(events, state),
        total_steps=state.total_steps,
        loss=state.loss,
        loss_before=before.get("loss", state.eval_before.loss if state.eval_before else None),
        loss_after=after.get("loss", state.eval_after.loss if state.eval_after else None),
        match_before=before.get(
            "exact_match", state.score_before.exact_match if state.score_before else None
        ),
        match_after=after.get("exact_match", state.score_after.exact_match if state.score_after else None),
        technique=plan.technique,
        model=plan.model,
        data=printable(", ".join(plan.train)),
        created=_created(run, state),
        active=last_active(run),
    )


def _step(events: list[Event], state: RunState) -> int:
    """The latest step. After a long evaluation only heartbeats may be left at the end of the log."""
    for event in reversed(events):
        if event["type"] == "step":
            break
        if event["type"] == "heartbeat" and (step := whole(event, "step")):
            return step
    return state.step


class Summaries:
    """Summaries that are read again only when a file of their run has changed: many runs stay cheap."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[object, Summary]] = {}

    def of(self, run: RunDir) -> Summary:
        """The summary of a run as it stands. One that runs is always read, as its process may be gone, and
        one that was never started, as it may be queued.
        """
        stamp = _stamp(run)
        known = self._known.get(run.path)
        if known is not None and known[0] == stamp and known[1].status not in ("running", "new", "queued"):
            return known[1]
        seen = summarize(run)
        self._known[run.path] = (stamp, seen)
        return seen


def _stamp(run: RunDir) -> object:
    """What changes when a run's log, plan, process or result does."""
    stamps: list[object] = []
    for path in (run.events_path, run.plan_path, run.pid_path, run.result_path / "result.json"):
        seen = paths.look(path)
        stamps.append(seen and (seen.st_ino, seen.st_size, seen.st_mtime_ns))
    return tuple(stamps)


def _result(run: RunDir) -> dict[str, Any]:
    try:
        return run.result() or {}
    except UserError:
        return {}


def _created(run: RunDir, state: RunState) -> float:
    created = paths.modified(run.plan_path)
    return (state.started_at or 0.0) if created is None else created
