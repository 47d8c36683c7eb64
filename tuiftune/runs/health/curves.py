"""Rules on the curves: numbers, spikes, and the one cause that explains how the loss goes."""

from __future__ import annotations

import math
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING

from tuiftune.figures import short
from tuiftune.runs.health import causes
from tuiftune.runs.health import course as courses
from tuiftune.runs.health.remark import Remark, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

SPIKE = 3.0  # times the level that the steps before it lead to …
SPIKE_NOISE = 8.0  # … so many standard deviations above it …
SPIKE_NATS = 0.5  # … and so many nats a token: batches of one row differ by less
SPIKE_AROUND = 8  # of these steps
FALLING = 22 / 28  # of their pairs, from which 8 steps fall beyond chance (Kendall 1970, table 1: 3 %)
SPIKE_AFTER = 1  # steps after a spike that are back at the level
SPIKES_RECENT = 100  # steps looked back
SPIKES_MANY = 3  # of these steps: no accident any more


def _not_a_number(state: RunState, planned: Planned) -> Iterator[Remark]:
    if state.not_a_number_at is not None:
        seen = courses.of(state, planned)
        high = seen.usual if seen.faster_than_usual(1.0) else None
        fix = "use bfloat16 instead of float16, and check the rows of that step"
        yield Remark(
            "nan",
            "error",
            "NaN loss",
            f"loss or gradient norm was NaN or infinite at step {state.not_a_number_at}",
            f"set training.learning_rate={short(high)}, the usual value" if high else fix,
            "one step with a NaN or infinite loss or gradient norm corrupts all trained weights",
        )


def _cause(state: RunState, planned: Planned) -> Iterator[Remark]:
    if state.not_a_number_at is None and (found := causes.find(state, planned)) is not None:
        yield found


def _spikes(state: RunState, planned: Planned) -> Iterator[Remark]:
    found = causes.find(state, planned)
    if state.not_a_number_at is not None or (found is not None and found.code in causes.EXPLAIN_SPIKES):
        return
    peaks = _peaks([point for point in state.curves["loss"] if point[0] > state.step - SPIKES_RECENT])
    if not peaks:
        return
    loss, step, usual = max(peaks)
    many = len(peaks) >= SPIKES_MANY
    yield Remark(
        "spikes" if many else "spike",
        "warning" if many else "info",
        "a loss spike" if len(peaks) == 1 else f"{len(peaks)} loss spikes",
        f"loss jumped to {loss:.4g} at step {step:.0f} (usual: {usual:.4g})",
        "find unusual rows with `tuiftune data inspect`"
        if many
        else "a single spike is usually harmless; if more follow, check the rows",
        f"a step of the last {SPIKES_RECENT} is above {SPIKE:g} times the level expected from the "
        f"{SPIKE_AROUND} "
        f"before it, and {SPIKE_NOISE:g} of their standard deviations, and the next step is not",
    )


def _peaks(points: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """Return (loss, step, level) of each spike."""
    losses, peaks = [loss for _, loss in points], []
    for place in range(SPIKE_AROUND, len(points) - SPIKE_AFTER):
        usual, spread = _led_to(losses[place - SPIKE_AROUND : place])
        bound = max(SPIKE * usual, usual + SPIKE_NOISE * spread, usual + SPIKE_NATS)
        if losses[place] > bound and losses[place + 1] <= bound:
            peaks.append((losses[place], points[place][0], usual))
    return peaks


def _led_to(before: list[float]) -> tuple[float, float]:
    """Return the loss that some steps lead to, and the standard deviation around their course: where most of
    them lie below those before them, the fall goes on as the median of the slopes between them (Mann and
    Kendall; Theil and Sen, of the logarithms), else it is their median.
    """
    logs = [math.log(max(loss, 1e-9)) for loss in before]
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(logs), 2)]
    slope = median(slopes) if sum(one < 0 for one in slopes) >= FALLING * len(slopes) else 0.0
    level = median(log - slope * place for place, log in enumerate(logs))
    course = [math.exp(level + slope * place) for place in range(len(before) + 1)]
    spread = 1.4826 * median(abs(loss - there) for loss, there in zip(before, course, strict=False))
    return course[-1], spread


def _stepped(state: RunState, planned: Planned) -> bool:
    return state.step > 0


def _judged(state: RunState, planned: Planned) -> bool:
    """Return True if a cause was found, or something was learned: a loss that stands still is not healthy."""
    return causes.find(state, planned) is not None or courses.of(state, planned).learned


def _evaluates(state: RunState, planned: Planned) -> bool:
    return state.end is None and state.rows_eval != 0


def _evaluated(state: RunState, planned: Planned) -> bool:
    return any(seen.when == "during" and seen.loss is not None for seen in state.evaluations)


def _nothing(state: RunState, planned: Planned) -> Iterator[Remark]:
    yield from ()


LEARNING = "training loss"
RULES = (
    Rule("numbers", _not_a_number, _stepped),
    Rule(LEARNING, _cause, _judged),
    Rule(LEARNING, _spikes, lambda state, _: len(state.curves["loss"]) > SPIKE_AROUND + SPIKE_AFTER),
    Rule("eval loss", _nothing, _evaluated, _evaluates),
)
