"""How long the trials of a study are: as many steps as its minutes allow, by the plan's speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.plan.model import Plan

FEWEST, MOST = 20, 300  # steps of a trial that are chosen
UNKNOWN = 60  # where the plan predicts no speed
STARTS = 15.0  # seconds of a trial before and after its steps (tuiftune default)
LEFT = 0.65  # of the time of all trials that is used, as some are stopped early


def steps_for(plan: Plan, minutes: float, variants: int, seeds: int) -> int:
    """Return the steps of a trial. Never more than the whole run would have."""
    whole = max(1, plan.steps or MOST)
    if not plan.seconds or not plan.steps:
        return min(UNKNOWN, whole)
    each = minutes * 60 / max(1.0, variants * seeds * LEFT) - STARTS
    fit = int(each / (plan.seconds / plan.steps))
    return min(max(FEWEST, min(MOST, fit)), whole)


def minutes_for(plan: Plan, steps: int, variants: int, seeds: int, slots: int = 1) -> float | None:
    """Return about how many minutes a study takes; None where the plan predicts no speed."""
    if not plan.seconds or not plan.steps:
        return None
    each = STARTS + steps * plan.seconds / plan.steps
    return variants * seeds * LEFT * each / 60 / slots
