"""Where a run goes on: the newest of its checkpoints that is whole, or its beginning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.engine.process.faults import DivergedError
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.runs.store import diverged
from tuiftune.runs.store.checkpoints import progress_of
from tuiftune.runs.store.directory import digest_of

if TYPE_CHECKING:
    from tuiftune.engine.process.report import Report
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.store.checkpoint_store import Store
    from tuiftune.runs.store.checkpoints import Checkpoint
    from tuiftune.runs.store.directory import RunDir


PATHS = (
    "data.train",
    "data.eval",
    "data.test",
    "data.mix",
    "data.columns",
    "model.base",
)  # rewritten in the plan
TAIL = 1 << 20  # bytes of the log that are looked at
NAMED = 3  # things that a message names


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a run goes on: the checkpoint, or None for its beginning."""

    checkpoint: Checkpoint | None
    saved: dict[str, Any]
    again: bool = False  # from the base model on purpose, since nothing that was trained was better


def resume_point(run: RunDir, store: Store, report: Report, resume: bool, force: bool = False) -> Resume:
    """The newest checkpoint that verifies, naming those that don't.

    A run that diverged goes on from the checkpoint that it noted, once its settings were changed; with
    `force` it goes on regardless.

    UserError when there are some, but none is whole.
    """
    store.clean()
    if not resume:
        return Resume(None, {})
    noted = diverged.noted(run)
    if noted is not None and not noted.settled and not force:
        raise DivergedError(noted.why)
    if noted is not None:
        if noted.settled:
            store.go_back_to(noted.step or 0)
        diverged.clear(run)
        if noted.settled and noted.step is None:
            return Resume(None, {}, again=True)
    report.phase("loading", "verifying checkpoints")
    if strangers := store.strangers():
        report.warning(
            "not_checkpoints",
            f"ignored in {store.directory.name}/, because they are not checkpoints of this run: "
            f"{', '.join(strangers[:NAMED])}"
            + (f" and {len(strangers) - NAMED} more" * (len(strangers) > NAMED)),
            "move everything that is not a directory named checkpoint-STEP elsewhere",
        )
    checkpoint, damaged = store.newest_whole()
    for one in damaged:
        report.warning(
            "checkpoint_damaged",
            f"{one.path.name} is corrupted: {one.why}",
            "the run continues from an older checkpoint" if checkpoint else "",
        )
    if checkpoint is None:
        if damaged:
            raise UserError(
                f"all {len(damaged)} checkpoints are corrupted ({damaged[0].path.name}: {damaged[0].why})",
                place=str(store.directory),
                remedy="start a new run",
            )
        return Resume(None, {})
    return Resume(checkpoint, progress_of(checkpoint))


def say_changes(run: RunDir, start: Resume, report: Report) -> None:
    """What a run that was begun before goes on without: checkpoints that are gone, edits of its preset."""
    plan = run.plan()
    edited = edits(run, plan)
    if edited is not None:
        which = f" ({edited})" if edited else ""
        report.warning(
            "preset_edited",
            f"preset.yaml was edited after the run started{which}; the run continues with its original "
            "settings",
            f"to use the edited ones, start a new run: tuiftune train {run.path / 'preset.yaml'}",
        )
    if start.checkpoint is None and not start.again and (last := _reached(run)):
        step, saved = last
        report.warning(
            "begins_again",
            f"the run had reached step {step}, but "
            + (
                f"its checkpoints (the last of step {saved}) are missing"
                if saved
                else "no checkpoint was saved"
            )
            + ": it restarts from step 0",
        )


def edits(run: RunDir, plan: Planned) -> str | None:
    """What was changed in a run's preset.yaml since the run was made, in words; None where nothing was."""
    from tuiftune.preset import file

    path = run.path / "preset.yaml"
    try:
        text = documents.read_text(path)
        if plan.preset_digest in ("", digest_of(text)):
            return None
        now = _leaves(file.load(path).model_dump(mode="json"))
    except UserError:
        return "it cannot be read now"
    then = _leaves(plan.resolved)
    differ = [
        f"{key}: {printable(str(value))[:40]}, was {printable(str(then[key]))[:40]}"
        for key, value in now.items()
        if key in then and key not in PATHS and value not in ("auto", then[key])
    ]
    return ", ".join(differ[:NAMED])


def _reached(run: RunDir) -> tuple[int, int] | None:
    """The last step of earlier processes, and that of their last checkpoint (0: none); None before any."""
    from tuiftune.runs.log.lines import parse_lines, read_tail

    told = list(parse_lines(read_tail(run.events_path, TAIL)))
    steps = [int(event["step"]) for event in told if event["type"] == "step" and event.get("step")]
    saved = [int(event["step"]) for event in told if event["type"] == "checkpoint" and event.get("step")]
    reached = max((*steps[-1:], *saved[-1:]), default=0)
    return (reached, saved[-1] if saved else 0) if reached else None


def _leaves(node: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(node, Mapping):
        return {path: node}
    return {
        key: value
        for name, inner in node.items()
        for key, value in _leaves(inner, f"{path}.{name}" if path else str(name)).items()
    }
