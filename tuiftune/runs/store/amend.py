"""Settings that a run may go on with: those that change how it learns, but not what it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.errors import UserError
from tuiftune.preset import file
from tuiftune.preset.schema import Preset
from tuiftune.printable import printable
from tuiftune.runs.store.directory import digest_of, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.runs.store.directory import RunDir

MAY_CHANGE = (
    "training.learning_rate",
    "training.schedule",
    "training.warmup_ratio",
    "training.weight_decay",
    "training.max_grad_norm",
    "training.early_stopping",
    "training.divergence_patience",
)


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
                "a run cannot be resumed with another value of this key",
                place=printable(key),
                remedy=f"start a new run, or change one of {', '.join(MAY_CHANGE)}",
            )
    plan = run.plan()
    try:
        old = Preset.model_validate(plan["resolved"])
    except (KeyError, ValueError):
        raise UserError("the plan has no valid preset", place=str(run.path / "plan.json")) from None
    new = file.override(old, list(settings))
    if new.training.learning_rate == "auto":
        raise UserError("auto is resolved when a run is planned", place=keys[0], remedy="give a number")
    training = new.training.model_dump(mode="json")
    for key in keys:
        leaf = key.partition(".")[2]
        plan["resolved"]["training"][leaf] = training[leaf]
        _give_reason(plan, key, training[leaf])
    plan["changed"] = sorted({*(plan.get("changed") or ()), *keys})
    text = documents.read_text(run.preset_path)
    if digest_of(text) == plan.get("preset_digest", digest_of(text)):  # else it was edited, and is told of
        text = file.dump(file.override(run.preset, list(settings)))
        plan["preset_digest"] = digest_of(text)
    try:
        write_text(run.preset_path, text)
        write_text(run.path / "plan.json", json.dumps(plan, indent=1))
    except OSError as fault:
        raise UserError(f"can't be written ({fault.strerror})", place=str(run.path)) from None
    return keys


def _give_reason(plan: dict[str, Any], key: str, value: Any) -> None:
    reason = {"key": key, "value": value, "why": "set when the run was resumed", "source": "preset"}
    reasons = [one for one in plan.get("reasons") or [] if isinstance(one, dict) and one.get("key") != key]
    plan["reasons"] = [*reasons, reason]
