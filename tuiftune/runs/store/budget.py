"""A larger budget for a run that has used up its own: all else of the plan stays as it was frozen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.runs.store.directory import write_text

if TYPE_CHECKING:
    from tuiftune.runs.store.directory import RunDir


def give(run: RunDir, *, max_usd: float | None = None, max_hours: float | None = None) -> None:
    """Replace the caps of a run: US dollars and hours of the whole run, what is spent included.

    UserError for a cap that isn't above 0, or a plan that can't be written.
    """
    plan = run.plan()
    for key, cap in (("max_usd", max_usd), ("max_hours", max_hours)):
        if cap is None:
            continue
        if not 0 < cap < float("inf"):
            raise UserError(f"{cap:g} is no budget", place=f"budget.{key}", remedy="a number above 0")
        plan["resolved"]["budget"][key] = cap
    path = run.path / "plan.json"
    try:
        write_text(path, json.dumps(plan, indent=1))
    except OSError as fault:
        raise UserError(f"can't be written ({fault.strerror})", place=str(path)) from None
