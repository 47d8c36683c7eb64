"""When a trial is stopped early: asynchronous successive halving, with a margin that keeps close ones alive.

Source: L. Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (the variant that
stops trials instead of pausing them).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuiftune.jobs.study.trial import EARLY
from tuiftune.runs.state.narrate import figure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiftune.jobs.study.trial import Trial

KEPT = 0.5  # of the trials that reached a rung go on
MARGIN = 0.1  # of the best gain so far; a trial that is behind by less goes on (tuiftune default)


def behind(trial: Trial, others: Iterable[Trial], rung: float) -> str:
    """Return why a trial that reached a rung is stopped there, "" if it goes on.

    It is compared with the trials of the same seed: it is stopped if it is not in the better half of them,
    and its gain over the base model is clearly below the best one.
    """
    own = trial.rungs[rung]
    losses = [own, *(other.rungs[rung] for other in others if rung in other.rungs)]
    if len(losses) < 2:
        return ""
    losses.sort()
    best = losses[0]
    if not math.isfinite(own):
        return "its eval loss is not finite"
    base = trial.base_loss if trial.base_loss is not None else losses[-1]
    stays = math.ceil(len(losses) * KEPT)
    if losses.index(own) < stays or own - best <= MARGIN * max(base - best, 0.0):
        return ""
    return f"eval loss {figure(own)} after {rung:.0%} of the steps; the best had {figure(best)}"


def stop(trial: Trial, why: str) -> None:
    """Mark a trial as stopped early."""
    trial.state, trial.why = EARLY, why
