"""Rules on the curves: numbers, explosions, overfitting, gain, spikes, plateaus."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tuiftune.figures import percent
from tuiftune.runs.health.remark import Remark, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.runs.planned import Planned
    from tuiftune.runs.series import Series
    from tuiftune.runs.state import RunState

EVALUATIONS_RISING = 2  # in a row above the best, while the training loss goes on falling: overfitting
RISE = 0.01  # of the best held-out loss; less is noise
GAIN = 0.005  # of the untuned model's held-out loss: less is no gain
GAIN_EVALUATIONS = 3
PLATEAU_SHARE = 0.3  # the last part of the run in which a falling loss should have moved …
PLATEAU_FALL = 0.005  # … by at least this share
PLATEAU_FROM, PLATEAU_TO = 0.2, 0.75  # of the run: before, it warms up; after, the rate is low by design
ENOUGH_POINTS = 20
SPIKE = 3.0  # times the median of the steps before and of those after it
SPIKE_AROUND = 8
SPIKES_RECENT = 100  # steps looked back
EXPLODED = 2.0  # smoothed loss now over its lowest
SAMPLES_MEMORISED = 0.05  # training loss of an answer that is known by heart


def _not_a_number(state: RunState, planned: Planned) -> Iterator[Remark]:
    if state.not_a_number_at is not None:
        yield Remark(
            "nan",
            "error",
            "not a number",
            f"loss or gradient was not a number at step {state.not_a_number_at}",
            "lower training.learning_rate, use bfloat16 in place of float16, look at the rows of that step",
            "one step whose loss or gradient norm is NaN or infinite ruins every weight it touches",
        )


def _explosion(state: RunState, planned: Planned) -> Iterator[Remark]:
    lowest = state.smooth_curve.lowest
    if lowest is None or state.smooth_loss is None:
        return
    if lowest > SAMPLES_MEMORISED and state.smooth_loss > EXPLODED * lowest:
        yield Remark(
            "exploding",
            "warning",
            "loss exploding",
            f"training loss has risen from {lowest:.4g} to {state.smooth_loss:.4g}",
            "stop it, lower training.learning_rate (a third), and start again",
            f"the smoothed training loss is more than {EXPLODED:g} times its lowest",
        )


def _overfitting(state: RunState, planned: Planned) -> Iterator[Remark]:
    best = state.best
    if best is None or best.loss is None:
        return
    during = [seen.loss for seen in state.evaluations if seen.when == "during" and seen.step > best.step]
    latest = [loss for loss in during if loss is not None][-EVALUATIONS_RISING:]
    rising = len(latest) == EVALUATIONS_RISING and all(loss > best.loss * (1 + RISE) for loss in latest)
    at_best = _value_at(state.smooth_curve, best.step)
    falling = at_best is not None and state.smooth_loss is not None and state.smooth_loss < at_best
    if rising and falling:
        yield Remark(
            "overfitting",
            "warning",
            "overfitting",
            f"held-out loss was best at step {best.step} ({best.loss:.4g}) and has risen since to "
            f"{latest[-1]:.4g}, while training loss falls",
            "the best step is kept; next time fewer epochs, a lower rank or learning rate, or more rows",
            f"the last {EVALUATIONS_RISING} evaluations lie more than {percent(RISE)} above the best, and "
            "the smoothed training loss is lower than it was then: rows are learnt by heart",
        )


def _no_gain(state: RunState, planned: Planned) -> Iterator[Remark]:
    before, best = state.eval_before, state.best
    if before is None or not before.loss or best is None or best.loss is None:
        return
    if best.loss > before.loss * (1 - GAIN):
        yield Remark(
            "no_gain",
            "warning",
            "no gain so far",
            f"held-out loss is not below the untuned model's: {before.loss:.4g}, best {best.loss:.4g}",
            "look at what is learnt (`tuiftune data tokens`), then try a higher learning rate or rank",
            f"after {GAIN_EVALUATIONS} evaluations the best is not {percent(GAIN, 1)} below the untuned "
            "model's",
        )


def _spikes(state: RunState, planned: Planned) -> Iterator[Remark]:
    points = [point for point in state.loss_curve if point[0] > state.step - SPIKES_RECENT]
    losses = [loss for _, loss in points]
    peaks = []
    for place in range(SPIKE_AROUND, len(points) - SPIKE_AROUND):
        usual = max(median(losses[place - SPIKE_AROUND : place]), median(losses[place + 1 :][:SPIKE_AROUND]))
        if losses[place] > SPIKE * usual and usual > SAMPLES_MEMORISED:
            peaks.append((losses[place], points[place][0], usual))
    if peaks:
        loss, step, usual = max(peaks)
        yield Remark(
            "spike",
            "info",
            "a loss spike" if len(peaks) == 1 else f"{len(peaks)} loss spikes",
            f"loss jumped to {loss:.4g} at step {step:.0f} (usual: {usual:.4g})",
            "one spike mends itself; repeated ones ask for a lower learning rate or a look at the rows",
            f"a step of the last {SPIKES_RECENT} lies above {SPIKE:g} times the median of the "
            f"{SPIKE_AROUND} steps before it and of the {SPIKE_AROUND} after it",
        )


def _plateau(state: RunState, planned: Planned) -> Iterator[Remark]:
    points = state.smooth_curve.points()
    since = state.step * (1 - PLATEAU_SHARE)
    before = _value_at(state.smooth_curve, since)
    now = points[-1][1]
    improving = state.best is not None and state.best.step > since
    if before and now > SAMPLES_MEMORISED and abs(before - now) < PLATEAU_FALL * before and not improving:
        yield Remark(
            "plateau",
            "info",
            "a plateau",
            f"training loss has hardly moved since step {since:.0f} ({before:.4g} → {now:.4g})",
            "more steps will bring little; a higher learning rate or rank may",
            f"over the last {percent(PLATEAU_SHARE)} of the steps so far the smoothed loss moved by less "
            f"than {percent(PLATEAU_FALL, 1)}, and no evaluation there was the best",
        )


def _value_at(curve: Series, step: float) -> float | None:
    """The last value at or before `step`."""
    value = None
    for x, y in curve:
        if x > step:
            break
        value = y
    return value


def _stepped(state: RunState, planned: Planned) -> bool:
    return state.step > 0


def _enough(state: RunState, planned: Planned) -> bool:
    return len(state.smooth_curve) >= ENOUGH_POINTS


def _in_the_middle(state: RunState, planned: Planned) -> bool:
    progress = state.progress
    return _enough(state, planned) and progress is not None and PLATEAU_FROM <= progress < PLATEAU_TO


def _evaluated(times: int, state: RunState) -> bool:
    return sum(seen.when == "during" and seen.loss is not None for seen in state.evaluations) >= times


def _evaluates(state: RunState, planned: Planned) -> bool:
    return state.end is None and state.rows_eval != 0


RULES = (
    Rule("numbers", _not_a_number, _stepped),
    Rule("training loss", _explosion, _enough),
    Rule(
        "held-out loss",
        _overfitting,
        lambda state, _: _evaluated(1 + EVALUATIONS_RISING, state),
        _evaluates,
    ),
    Rule("held-out loss", _no_gain, lambda state, _: _evaluated(GAIN_EVALUATIONS, state), _evaluates),
    Rule("training loss", _spikes, lambda state, _: len(state.loss_curve) > 2 * SPIKE_AROUND),
    Rule("training loss", _plateau, _in_the_middle),
)
