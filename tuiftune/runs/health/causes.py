"""Why a run doesn't learn as it should: the causes in the order in which they explain the others.

At most one of them is reported, with one fix: a run that diverges also spikes, stands still and doesn't beat
its base model, and all of that has one cause. The thresholds were measured on the runs of
`benchmarks/health`, unless a source is named.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tuiftune.figures import percent, short
from tuiftune.plan.cost import patience
from tuiftune.runs.health import course as courses
from tuiftune.runs.health.course import KNOWN
from tuiftune.runs.health.divergence import FAR_ABOVE, lower_rate
from tuiftune.runs.health.remark import Remark

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.health.course import Course
    from tuiftune.runs.state.run_state import RunState

SUSPECT = 1  # steps that a suspicion of divergence lasts before it is reported
FAR_BELOW = 300.0  # times below the usual learning rate: more steps won't help
NEARLY = 0.9  # of the loss at the start: what is still there then was not learned away
BELOW = 8.0  # times below the usual learning rate: a low one, beyond the usual range
LITTLE = 0.5  # of the loss: a low learning rate that gains more is no fault
RISE = 0.01  # of the best eval loss; less is no rise
CLEAR_RISE = 0.02  # of the best eval loss: one evaluation is enough …
GAP = 0.5  # … where the training loss is below this share of it
RISING = 2  # evaluations in a row above the best
GAIN = 0.005  # of the base model's eval loss: less is no gain
SOON, UNGAINED = 5, 0.6  # steps after which so much of the loss at the start is still there
UPS, UPS_OF = 2, 5  # of the latest evaluations, that went up
STALLED = 0.25  # of the level, over the last third of the steps
NO_GAIN_AFTER = 3  # evaluations
STEADY = 20  # steps before a loss can be called steady
PLATEAU = (0.3, 0.9)  # share of the run: before, it warms up; after, the learning rate is low by design
PLATEAU_FALL = 0.08  # of the level, over the last third of the steps so far
HIGH = 0.3  # nats a token; below, a loss that levels off is what is wanted
UNDERFIT_FROM = 0.9  # share of the run
UNDERFIT_FALL = 0.08  # of the level, over the last third of the steps …
UNDERFIT_PACE = 0.05  # … and of the eval loss in a tenth of the run, by the last two evaluations


def _diverged(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    divergence = state.divergence
    most = patience(planned.divergence_patience or None, state.total_steps)
    now = _stopped(state) or divergence.steps >= SUSPECT or divergence.lasted >= most
    if not now and not (divergence.worst >= most and seen.faster_than_usual(FAR_ABOVE)):
        return None
    low, start = divergence.lowest_level, max(seen.base or 0.0, seen.points[0][1])
    since = f"from {low:.4g} at its lowest" if low is not None and low < start else f"from {start:.4g}"
    highest = state.curves["loss"].highest or seen.level
    risen = f"has risen {since} to {divergence.level or seen.level:.4g}"
    rate = None if seen.rate is None else lower_rate(seen.rate, seen.usual)
    fix = "lower training.learning_rate" if rate is None else f"set training.learning_rate={short(rate)}"
    return Remark(
        "diverged",
        "error",
        "diverging",
        _seen_at_the_end(state) or f"training loss {risen if now else f'rose to {highest:.4g} before'}",
        f"{fix}; the run continues from its best checkpoint, or from the base model",
        "the median loss of a few steps is above that of the base model, or has lost half of what it "
        "had gained, beyond the noise between steps",
    )


def _seen_at_the_end(state: RunState) -> str:
    """Return what the run itself said of its divergence; "" while it runs."""
    return state.end.why.partition(". Try ")[0] if _stopped(state) and state.end is not None else ""


def _stopped(state: RunState) -> bool:
    return state.end is not None and state.end.state == "diverged"


def _no_change(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    if seen.level < KNOWN:
        return None
    norms = state.curves["grad_norm"].values()
    if len(norms) >= courses.FIRST and max(norms) == 0.0:
        return Remark(
            "no_change",
            "error",
            "no change",
            "nothing is trained: the gradient is 0 at every step",
            "check the loss mask with `tuiftune data tokens`, and method.target_modules",
            "the norm of the gradient was exactly 0 at every step so far",
        )
    far_below = seen.slower_than_usual(FAR_BELOW) and seen.level > NEARLY * seen.start
    if (seen.moved and not far_below) or seen.steps < courses.FIRST:
        return None
    enough = seen.progress is not None and seen.progress >= 0.1 and seen.warm
    evaluated = seen.base is not None and len(seen.evals) >= (1 if seen.steps >= STEADY else 2)
    unseen = seen.base is None and seen.steps >= STEADY
    if not far_below and not (enough and (evaluated or unseen)):
        return None
    usual = f"set training.learning_rate={short(seen.usual)}, the usual value" if seen.usual else ""
    low = seen.slower_than_usual(1.0)
    return Remark(
        "no_change",
        "warning",
        "no change",
        f"the training loss has not changed: {seen.start:.4g} at the start, {seen.level:.4g} now",
        usual if low and usual else "check the loss mask with `tuiftune data tokens`",
        f"the loss has moved by less than its noise, no eval loss by more than {percent(courses.SAME, 1)}",
    )


def _known(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    if seen.start >= KNOWN or _stopped(state):
        return None
    return Remark(
        "known",
        "warning",
        "rows already known",
        f"the base model gives these answers already: training loss was {seen.start:.4g} at the start",
        "check that model.base was not fine-tuned on these rows, and check the loss mask",
        f"the median loss of the first {courses.FIRST} steps is below {KNOWN:g}: more than 95% of the "
        "probability is on the right token",
    )


def _overfitting(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    best = seen.best_eval
    if (
        best is None or seen.unlike or (seen.epoch is not None and seen.epoch <= 1)
    ):  # no row was seen twice yet
        return None
    step, loss = best
    if seen.base is not None and seen.base <= loss:
        step, loss = 0.0, seen.base
    later = [other for at, other in seen.evals if at > step]
    if not later:
        return None
    rising = len(later) >= RISING and all(other > loss * (1 + RISE) for other in later[-RISING:])
    clear = later[-1] > loss * (1 + CLEAR_RISE) and seen.level < GAP * later[-1]
    at_best = seen.level_at(max(courses.FIRST, sum(at <= step for at, _ in seen.points)))
    if not (rising or clear) or seen.level >= at_best:
        return None
    return Remark(
        "overfitting",
        "warning",
        "overfitting",
        f"eval loss was lowest at step {step:.0f} ({loss:.4g}) and has risen to {later[-1]:.4g}, while "
        "training loss falls",
        "use fewer epochs or more rows; the checkpoint with the lowest eval loss is kept",
        f"{RISING} evaluations in a row are more than {percent(RISE)} above the lowest, or one more than "
        f"{percent(CLEAR_RISE)} with the training loss below half of it, which has fallen since",
    )


def _rate_too_high(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    if seen.level < KNOWN or not seen.fast_now(FAR_ABOVE):
        return None
    if seen.steps < STEADY and (seen.steps < SOON or seen.level < UNGAINED * seen.start):
        return None
    fall, error = seen.fall_since(1 / 3)
    ups = sum(later > sooner * (1 + RISE) for (_, sooner), (_, later) in pairwise(seen.evals[-UPS_OF:]))
    if seen.steps >= STEADY and ups < UPS and fall > max(error, STALLED * seen.level):
        return None
    return Remark(
        "rate_too_high",
        "warning",
        "learning rate too high",
        f"training loss fluctuates around {seen.level:.4g} and does not fall steadily",
        f"set training.learning_rate={short(lower_rate(seen.rate or 0.0, seen.usual))}",
        f"the learning rate is more than {FAR_ABOVE:g} times the usual one for this technique and size, and "
        "the loss does not fall, or eval losses fluctuate",
    )


def _plateau(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    if seen.progress is None or not PLATEAU[0] <= seen.progress < PLATEAU[1] or seen.steps < STEADY:
        return None
    if seen.level < HIGH or not seen.learned or seen.fall_since(1 / 3)[0] > PLATEAU_FALL * seen.level:
        return None
    early = [loss for at, loss in seen.evals if at <= (2 / 3) * state.step]
    if early and seen.evals[-1][1] < early[-1] * (1 - 1.5 * PLATEAU_FALL):  # from further back
        return None
    return Remark(
        "plateau",
        "info",
        "a plateau",
        f"training loss has leveled off at {seen.level:.4g}: more steps will change little",
        "if answers are not good enough, check that they follow from their prompts: label noise keeps the "
        "loss high",
        f"over the last third of the steps so far the loss fell by less than {percent(PLATEAU_FALL)}, and no "
        "evaluation by more",
    )


def _no_gain(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    best = seen.best_eval
    if seen.base is None or best is None or seen.unlike or len(seen.evals) < NO_GAIN_AFTER or not seen.moved:
        return None
    if best[1] <= seen.base * (1 - GAIN):
        return None
    return Remark(
        "no_gain",
        "warning",
        "no gain so far",
        f"eval loss is not below the base model's: {seen.base:.4g}, lowest {best[1]:.4g}",
        "compare the evaluation rows with the training rows (`tuiftune data inspect`): training loss falls",
        f"after {NO_GAIN_AFTER} evaluations the lowest is not {percent(GAIN, 1)} below the base model's",
    )


def _too_slow(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    if seen.usual is None or not seen.slower_than_usual(BELOW):
        return None
    if seen.steps < courses.FIRST or not seen.progress or seen.progress < 0.1:
        return None
    if seen.start - seen.level > LITTLE * seen.start:
        return None
    return Remark(
        "too_slow",
        "warning",
        "learning slowly",
        f"training loss falls slowly: {seen.start:.4g} at the start, {seen.level:.4g} now",
        f"set training.learning_rate={short(seen.usual)}, the usual value",
        f"the learning rate is more than {BELOW:g} times below the usual one for this technique and size, "
        f"and less than {percent(LITTLE)} of the loss is gained",
    )


def _underfitting(state: RunState, planned: Planned, seen: Course) -> Remark | None:
    if (
        seen.progress is None
        or seen.progress < UNDERFIT_FROM
        or seen.level < HIGH
        or seen.fast_now(FAR_ABOVE)
    ):
        return None
    fall, error = seen.fall_since(1 / 3)
    still_falling = fall > max(error, UNDERFIT_FALL * seen.level)
    if len(seen.evals) > 1 and state.total_steps:  # a decaying rate slows the fall down: it is over by now
        (sooner, before), (later, now) = seen.evals[-2:]
        apart = later > sooner and before  # a resumed run may evaluate its last step once more
        pace = (1 - now / before) * 0.1 * state.total_steps / (later - sooner) if apart else 0.0
        still_falling &= later >= UNDERFIT_FROM * state.total_steps and pace > UNDERFIT_PACE
    if not still_falling:
        return None
    return Remark(
        "underfitting",
        "info",
        "still improving",
        f"the loss was still falling at the end: by {percent(fall / (seen.level + fall))} in the last third",
        "train longer: raise training.epochs or training.max_steps",
        f"over the last third of the steps it fell by more than {percent(UNDERFIT_FALL)}, beyond its noise, "
        f"and from the last evaluation but one at a pace of {percent(UNDERFIT_PACE)} in a tenth of the run",
    )


EXPLAIN_SPIKES = ("diverged", "rate_too_high")
CAUSES: tuple[Callable[[RunState, Planned, Course], Remark | None], ...] = (
    _known,
    _diverged,
    _no_change,
    _rate_too_high,
    _overfitting,
    _too_slow,
    _no_gain,
    _plateau,
    _underfitting,
)


def find(state: RunState, planned: Planned) -> Remark | None:
    """Return the first cause that holds, which explains those after it."""
    seen = courses.of(state, planned)
    if not seen.points or planned.rollouts:
        return None
    return next((found for cause in CAUSES if (found := cause(state, planned, seen)) is not None), None)
