"""The variants of a study, each with its difference to the best, and how sure that is.

They are compared by eval loss, or by wrong answers where their losses are not of the same tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from tuiftune.evaluate.statistics import newcombe, student_t
from tuiftune.jobs.study.trial import DIVERGED, DONE, EARLY, FAILED, RUNNING, WAITING
from tuiftune.runs.reports import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.jobs.study.study import Study
    from tuiftune.jobs.study.trial import Trial
    from tuiftune.jobs.study.variant import Variant

Interval = tuple[float, float]
LOSS, ERRORS = "eval loss", "wrong answers"
MEASURES = (LOSS, ERRORS)


@dataclass(frozen=True, slots=True)
class Standing:
    """One variant.

    Attributes:
        value: what it is compared by (see `MEASURES`), the mean over the seeds that every finished variant
            has; None if it is not finished. Lower is better.
        loss: mean eval loss over the same seeds.
        latest: eval loss of its last evaluation, for variants that did not finish.
        difference: to the best, on the same rows and seeds; `interval`: 95% confidence interval of it.
        tied: the runs show no difference to the best.
    """

    variant: Variant
    state: str
    why: str
    value: float | None
    loss: float | None
    latest: float | None
    difference: float | None
    interval: Interval | None
    tied: bool
    seeds: int
    exact_match: float | None
    seconds: float
    runs: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "key": self.variant.key,
            "values": dict(self.variant.values),
            "state": self.state,
            "why": self.why,
            "value": self.value,
            "loss": self.loss,
            "latest_loss": self.latest,
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "tied_with_best": self.tied,
            "seeds": self.seeds,
            "exact_match": self.exact_match,
            "seconds": round(self.seconds, 1),
            "runs": list(self.runs),
        }


def standings(study: Study, by: str = LOSS) -> list[Standing]:
    """Return all variants, the best first; those that did not finish follow, by their last evaluation."""
    shared = _shared_seeds(study)
    counted = ERRORS if by == ERRORS and all(trial.matched for trial in _done(study)) else LOSS
    finished = {
        one.key: [trial for trial in study.of(one) if trial.seed in shared and trial.state == DONE]
        for one in study.variants
    }
    whole = {key: trials for key, trials in finished.items() if shared and len(trials) == len(shared)}
    means = {key: fmean(_value(trial, counted) for trial in trials) for key, trials in whole.items()}
    best = min(means, key=lambda key: means[key], default=None)
    base = base_loss(study)
    found = [_standing(study, one, whole, means, best, base, counted) for one in study.variants]
    return sorted(found, key=lambda one: (one.value is None, _or_inf(one.value), _or_inf(one.latest)))


def summary(study: Study, usd_per_hour: float | None) -> dict[str, Any]:
    """Return what the document of every question that is asked by a study says."""
    return {
        "directory": str(study.directory),
        "steps": study.steps,
        "seeds": list(study.seeds),
        "base_loss": base_loss(study),
        "finished": study.finished,
        "seconds": round(study.seconds, 1),
        "usd": cost(study.seconds, usd_per_hour),
    }


def cost(seconds: float, usd_per_hour: float | None) -> float | None:
    """Return US dollars; None without a price."""
    return None if usd_per_hour is None else round(seconds / 3600 * usd_per_hour, 4)


def base_loss(study: Study) -> float | None:
    """Return the base model's mean eval loss over the trials that measured it."""
    known = [trial.base_loss for trial in study.trials if trial.base_loss is not None]
    return fmean(known) if known else None


def difference(one: Sequence[Trial], other: Sequence[Trial], by: str = LOSS) -> tuple[float, Interval | None]:
    """Return the mean value of `one` minus that of `other`, by seed, and its 95% confidence interval.

    The interval is the wider of two: over groups of evaluation rows in all seeds (given these runs), and over
    the seeds. None where there is no basis for one.
    """
    changes = [_value(mine, by) - _value(theirs, by) for mine, theirs in zip(one, other, strict=True)]
    mean = fmean(changes)
    halves = []
    if (rows := _over_rows(one, other, by)) is not None:
        halves.append((rows[1] - rows[0]) / 2)
    if len(changes) > 1:
        halves.append(student_t(len(changes) - 1) * stdev(changes) / math.sqrt(len(changes)))
    if not halves:
        return mean, None
    return mean, (mean - max(halves), mean + max(halves))


def _standing(
    study: Study,
    variant: Variant,
    whole: dict[str, list[Trial]],
    means: dict[str, float],
    best: str | None,
    base: float | None,
    by: str,
) -> Standing:
    trials = study.of(variant)
    state, why = _state(trials)
    change, interval, tied = None, None, False
    key = variant.key
    if best is not None and key in whole:
        change, interval = difference(whole[key], whole[best], by)
        tied = key == best or _no_difference(change, interval, base if by == LOSS else None)
    losses = [trial.loss for trial in whole.get(key, ()) if trial.loss is not None]
    matches = [trial.exact_match for trial in whole.get(key, ()) if trial.exact_match is not None]
    latest = [trial.latest for trial in trials if trial.latest is not None]
    return Standing(
        variant,
        state,
        why,
        means.get(key),
        fmean(losses) if losses else None,
        fmean(latest) if latest else None,
        change,
        None if key == best else interval,
        tied,
        sum(trial.state == DONE for trial in trials),
        fmean(matches) if matches else None,
        sum(trial.seconds for trial in trials),
        tuple(trial.run for trial in trials if trial.state != WAITING),
    )


def _no_difference(change: float, interval: Interval | None, base: float | None) -> bool:
    """Whether a difference to the best is within chance, or too small to matter (see `verdict.GAIN`)."""
    if abs(change) <= verdict.GAIN * abs(base or 0.0):
        return True
    return interval is None or interval[0] <= 0 <= interval[1]


def _shared_seeds(study: Study) -> list[int]:
    """The seeds that count: as many as the variant with the most has finished, in their order."""
    counts = [
        [trial.seed for trial in study.of(one) if trial.state == DONE and trial.loss is not None]
        for one in study.variants
    ]
    return max(counts, key=len, default=[])


def _state(trials: Sequence[Trial]) -> tuple[str, str]:
    """The worst state of a variant's trials, with its reason. Waiting seeds don't count once one is lost."""
    states = {trial.state: trial.why for trial in reversed(trials)}
    for state in (EARLY, DIVERGED, FAILED, RUNNING):
        if state in states:
            return state, states[state]
    if WAITING in states:
        return (WAITING, states[WAITING]) if DONE not in states else (RUNNING, "")
    return DONE, ""


def _over_rows(one: Sequence[Trial], other: Sequence[Trial], by: str) -> Interval | None:
    """The interval of the difference over evaluation rows, those of all seeds; None without a basis."""
    if by == LOSS:
        mine = [group for trial in one for group in trial.parts]
        return verdict.interval([group for trial in other for group in trial.parts], mine)
    pairs = [
        pair
        for trial, second in zip(one, other, strict=True)
        for pair in zip(trial.matched, second.matched, strict=False)
    ]
    if not pairs or any(len(a.matched) != len(b.matched) for a, b in zip(one, other, strict=True)):
        return None
    both = sum(a and b for a, b in pairs)
    more, fewer = sum(b and not a for a, b in pairs), sum(a and not b for a, b in pairs)
    return newcombe(both, more, fewer, len(pairs))


def _done(study: Study) -> list[Trial]:
    return [trial for trial in study.trials if trial.state == DONE]


def _value(trial: Trial, by: str) -> float:
    if by == ERRORS:
        return 1 - sum(trial.matched) / len(trial.matched)
    assert trial.loss is not None
    return trial.loss


def _or_inf(loss: float | None) -> float:
    return math.inf if loss is None else loss
