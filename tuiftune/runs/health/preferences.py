"""Rules on pairs: the margin between the answers, the log-probabilities of both, and a guess that stays one.

They hold where a run logs rewards of chosen and rejected answers, whatever its stage. The levels of a few
steps are compared: those after the first steps, and the latest.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tuiftune.figures import percent
from tuiftune.runs.health.remark import Remark, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

MARGIN, ACCURACY = "rewards/margins", "rewards/accuracies"
CHOSEN, REJECTED = "logps/chosen", "logps/rejected"
LEAST = 20  # steps before a course can be told from its noise
SHARE = 5  # the level of an end is the median of a fifth of the steps
FALLEN = 0.2  # of the highest level of the margin
GUESS = 0.05  # from 0.5 either way
BOTH_FELL = 0.1  # of the chosen answers' log-probability at the start


def levels(state: RunState, name: str) -> list[float]:
    """Return the medians of each fifth of a curve, in order."""
    values = state.curves[name].values()
    size = max(1, len(values) // SHARE)
    return [median(values[at : at + size]) for at in range(0, size * SHARE, size)] if values else []


def _margin_falls(state: RunState, planned: Planned) -> Iterator[Remark]:
    course = levels(state, MARGIN)
    highest = max(course)
    if highest > 0 and course[-1] < highest * (1 - FALLEN) and course[-1] < course[-2]:
        yield Remark(
            "margin_falls",
            "warning",
            "margin falling",
            f"the margin between chosen and rejected answers fell from {highest:.4g} to {course[-1]:.4g}",
            "lower training.learning_rate, or stop: the best checkpoint is kept",
            f"the median of the latest fifth of the steps is {percent(FALLEN)} below the highest of the "
            "others, and falling",
        )


def _both_fall(state: RunState, planned: Planned) -> Iterator[Remark]:
    chosen, rejected = levels(state, CHOSEN), levels(state, REJECTED)
    fell = chosen[0] - chosen[-1]
    if fell > BOTH_FELL * abs(chosen[0]) and rejected[-1] < rejected[0]:
        yield Remark(
            "both_fall",
            "warning",
            "both answers less likely",
            f"the chosen answers became less likely too: log-probability {chosen[0]:.4g} at the start, "
            f"{chosen[-1]:.4g} now",
            "lower training.learning_rate, or raise method.beta: the model drifts too far",
            f"the log-probability of chosen answers fell by more than {percent(BOTH_FELL)}, and that of "
            "rejected ones fell (Razin et al. 2024, arXiv 2410.08847)",
        )


def _guesses(state: RunState, planned: Planned) -> Iterator[Remark]:
    course = levels(state, ACCURACY)
    if all(abs(level - 0.5) <= GUESS for level in course[1:]):
        yield Remark(
            "guessing",
            "warning",
            "no preference learned",
            f"{percent(course[-1])} of the pairs have a margin above 0: as many as by chance",
            "raise training.learning_rate; check the pairs for swapped sides with `tuiftune data inspect`",
            f"since the first fifth of the steps the reward accuracy stays within {percent(GUESS)} of 50%",
        )


def _long_enough(state: RunState, planned: Planned) -> bool:
    return len(state.curves[MARGIN]) >= LEAST


def _of_pairs(state: RunState, planned: Planned) -> bool:
    return state.end is None and bool(state.curves[MARGIN].values())


RULES = (
    Rule("reward margin", _margin_falls, _long_enough, _of_pairs),
    Rule(
        "log-probabilities",
        _both_fall,
        lambda state, planned: _long_enough(state, planned) and bool(state.curves[CHOSEN].values()),
        _of_pairs,
    ),
    Rule("reward accuracy", _guesses, _long_enough, _of_pairs),
)
