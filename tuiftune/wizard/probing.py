"""Whether there is time to measure the learning rate before a run, and how long that takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.jobs import probing
from tuiftune.jobs.study import budget

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.plan.model import Plan

SHARE = 0.3  # of the run's predicted time that a probe may take (tuiftune default)
SHORTEST, LONGEST = 2.0, 15.0  # minutes of a probe
SEEDS = 1


@dataclass(frozen=True, slots=True)
class Offer:
    """A probe for which there is time: `steps` of each run, about `minutes` in all."""

    steps: int
    minutes: float


def offer(plan: Plan, facts: DataFacts) -> Offer | None:
    """Return the probe to offer; None if the run is too short for one, or nothing can be compared."""
    if not plan.seconds or not plan.steps or not facts.rows_eval or plan.gpu.get("source") == "--gpu":
        return None
    allowed = min(LONGEST, SHARE * plan.seconds / 60)
    if allowed < SHORTEST:
        return None
    variants = len(probing.FACTORS)
    steps = budget.steps_for(plan, allowed, variants, SEEDS)
    minutes = budget.minutes_for(plan, steps, variants, SEEDS)
    if minutes is None or minutes > allowed:
        return None
    return Offer(steps, minutes)
