"""Where a run goes on: the newest of its checkpoints that is whole, or its beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.engine import checkpoints
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from tuiftune.engine.report import Report


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a run goes on: the checkpoint, or None for its beginning."""

    checkpoint: checkpoints.Checkpoint | None
    saved: dict[str, Any]


def resume_point(store: checkpoints.Store, report: Report, resume: bool) -> Resume:
    """The newest checkpoint that verifies, naming those that don't.

    UserError when there are some, but none is whole.
    """
    store.clean()
    if not resume:
        return Resume(None, {})
    report.phase("loading", "verifying checkpoints")
    checkpoint, damaged = store.newest_whole()
    for one in damaged:
        report.warning(
            "checkpoint_damaged",
            f"{one.path.name} was passed over: {one.why}",
            "the run goes on from an older checkpoint" if checkpoint else "",
        )
    if checkpoint is None:
        if damaged:
            raise UserError(
                f"none of the {len(damaged)} checkpoints is whole ({damaged[0].path.name}: {damaged[0].why})",
                place=str(store.directory),
                remedy="start a new run; nothing here can be trusted",
            )
        return Resume(None, {})
    return Resume(checkpoint, checkpoints.progress_of(checkpoint))
