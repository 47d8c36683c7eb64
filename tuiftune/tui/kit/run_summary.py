"""One run in one line for the home screen: read from the end of its log and its result, never from the whole
log."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.state import summary
from tuiftune.runs.state.readings import number, part
from tuiftune.runs.store.find import last_active

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known at a glance; None where the log does not say. Losses are held-out, scores are shares."""

    run: RunDir
    status: str
    why: str
    resumable: bool
    step: int | None
    total: int | None
    loss: float | None
    loss_before: float | None
    loss_after: float | None
    score_before: float | None
    score_after: float | None
    technique: str
    model: str
    data: str
    idle: float  # seconds since the log last grew

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def progress(self) -> float | None:
        if self.step is None or not self.total:
            return None
        return min(1.0, self.step / self.total)


def summarise(run: RunDir) -> Summary:
    """Reads at most a few hundred kilobytes; a damaged file leaves gaps instead of raising."""
    seen = summary.summarise(run)
    resolved = _document(run.plan).get("resolved") or {}
    result = _document(run.result)
    before, after = result.get("before") or {}, result.get("after") or {}
    return Summary(
        run=run,
        status=seen.vitals.state,
        why=seen.vitals.why,
        resumable=seen.vitals.resumable,
        step=seen.step or None,
        total=seen.total_steps,
        loss=seen.loss,
        loss_before=number(before, "loss"),
        loss_after=number(after, "loss"),
        score_before=number(before, "exact_match"),
        score_after=number(after, "exact_match"),
        technique=_text(resolved, "method", "technique"),
        model=_text(resolved, "model", "base"),
        data=_text(resolved, "data", "train"),
        idle=max(0.0, time.time() - last_active(run)),
    )


class Summaries:
    """Summaries that are read again only when a file of their run has changed: many runs stay cheap."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[object, Summary]] = {}

    def of(self, run: RunDir) -> Summary:
        """The summary of a run as it stands. One that runs is always read: its process may be gone."""
        stamp = _stamp(run)
        known = self._known.get(run.path)
        if known is not None and known[0] == stamp and known[1].status != "running":
            return replace(known[1], idle=max(0.0, time.time() - last_active(run)))
        seen = summarise(run)
        self._known[run.path] = (stamp, seen)
        return seen


def _stamp(run: RunDir) -> object:
    """What changes when a run's log, plan, process or result does."""
    stamps: list[object] = []
    for path in (run.events_path, run.path / "plan.json", run.pid_path, run.result_path / "result.json"):
        seen = paths.look(path)
        stamps.append(seen and (seen.st_ino, seen.st_size, seen.st_mtime_ns))
    return tuple(stamps)


def _document(read: Any) -> dict[str, Any]:
    try:
        return read() or {}
    except UserError:
        return {}


def _text(document: dict[str, Any], section: str, key: str) -> str:
    value = part(document, section).get(key)
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    return printable(str(value)) if value is not None else ""
