"""What a run may go on with: settings that change how it learns, but not what it is; and a larger budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.errors import UserError
from tuiftune.preset import file
from tuiftune.preset.places import absolute
from tuiftune.printable import printable
from tuiftune.runs.store.directory import digest_of, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

PROCESSES = "hardware.processes"
MAY_CHANGE = (
    "training.learning_rate",
    "training.schedule",
    "training.warmup_ratio",
    "training.weight_decay",
    "training.max_grad_norm",
    "training.early_stopping",
    "training.divergence_patience",
    PROCESSES,
)


def replace(run: RunDir, plan: dict[str, Any]) -> None:
    """Write a plan in place of a run's own, for the same preset."""
    run.write_plan({**plan, "preset_digest": run.planned().preset_digest})


def change(run: RunDir, settings: Sequence[str]) -> list[str]:
    """Write `KEY=VALUE` settings into the plan and the preset of a run that is not active.

    Returns:
        The keys that have a new value now.

    Raises:
        UserError: for a key that a run cannot go on with, a value that is not valid, or a directory that
            cannot be written.
    """
    keys = [setting.partition("=")[0].strip() for setting in settings]
    for key, setting in zip(keys, settings, strict=True):
        if "=" in setting and key not in MAY_CHANGE:
            raise UserError(
                "this key cannot be changed when a run is resumed",
                place=printable(key),
                remedy=f"start a new run, or change only {', '.join(MAY_CHANGE)}",
            )
    before = run.plan()
    old = before.preset(str(run.plan_path))
    plan = dict(before.document)
    new = file.override(old, list(settings))
    if new.training.learning_rate == "auto":
        raise UserError("auto is resolved only when a run is planned", place=keys[0], remedy="set a number")
    values = new.model_dump(mode="json")
    if PROCESSES in keys:
        _check_processes(new, old)
        if before.gpu != "cpu":
            plan["resolved"]["hardware"]["gpus"] = new.hardware.processes
    for key in keys:
        section, _, leaf = key.partition(".")
        plan["resolved"][section][leaf] = values[section][leaf]
        _give_reason(plan, key, values[section][leaf])
    plan["changed"] = sorted({*(plan.get("changed") or ()), *keys})
    text = documents.read_text(run.preset_path)
    if before.preset_digest in ("", digest_of(text)):  # else it was edited, and is told of
        text = file.dump(absolute(file.override(run.preset, list(settings))))
        plan["preset_digest"] = digest_of(text)
    try:
        write_text(run.preset_path, text)
    except OSError as fault:
        raise UserError(f"cannot be written ({fault.strerror})", place=str(run.path)) from None
    run.write_plan(plan)
    return keys


def _check_processes(preset: Preset, old: Preset) -> None:
    """UserError where so many processes cannot take equal shares of a step, or go on from its checkpoints."""
    processes, rows = preset.hardware.processes, preset.training.effective_batch
    if processes == "auto":
        raise UserError("auto is resolved only when a run is planned", place=PROCESSES, remedy="set a number")
    at_once = int(preset.training.micro_batch) * processes
    if rows % at_once:
        raise UserError(
            f"{rows} rows per step cannot be divided among {processes} processes that take "
            f"{preset.training.micro_batch} at once",
            place=PROCESSES,
            remedy="use a number of processes by which they can",
        )
    if preset.hardware.parallel == "zero2" and processes != old.hardware.processes:
        raise UserError(
            "optimizer states that were divided among processes cannot be divided among another number",
            place=PROCESSES,
            remedy="resume with the same number",
        )
    if processes == 1 and preset.hardware.parallel in ("fsdp", "fsdp_offload"):
        raise UserError(
            "one process cannot read the checkpoints of a sharded model",
            place=PROCESSES,
            remedy="use 2 or more",
        )


def give_budget(run: RunDir, *, max_usd: float | None = None, max_hours: float | None = None) -> None:
    """Replace the limits of a run: US dollars and hours of the whole run, what is spent included.

    UserError for a limit that isn't above 0, or a plan that can't be written.
    """
    plan = dict(run.plan().document)
    for key, limit in (("max_usd", max_usd), ("max_hours", max_hours)):
        if limit is None:
            continue
        if not 0 < limit < float("inf"):
            raise UserError(
                f"{limit:g} is not a valid budget limit", place=f"budget.{key}", remedy="use a number above 0"
            )
        plan["resolved"]["budget"][key] = limit
    run.write_plan(plan)


def _give_reason(plan: dict[str, Any], key: str, value: Any) -> None:
    reason = {"key": key, "value": value, "why": "set when the run was resumed", "source": "preset"}
    reasons = [one for one in plan.get("reasons") or [] if isinstance(one, dict) and one.get("key") != key]
    plan["reasons"] = [*reasons, reason]
