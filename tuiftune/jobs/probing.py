"""`tuiftune probe`: which learning rate (and rank) the user's own rows ask for, by short runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import techniques
from tuiftune.errors import UserError
from tuiftune.figures import plural
from tuiftune.jobs.prepare import ready
from tuiftune.jobs.study import budget, record, standing
from tuiftune.jobs.study.study import Study, every
from tuiftune.jobs.study.trial import DIVERGED, EARLY
from tuiftune.jobs.study.variant import named, shown
from tuiftune.preset.naming import run_name
from tuiftune.runs.store.directory import default_root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.jobs.study.standing import Standing
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset

RATE, RANK = "training.learning_rate", "method.rank"
FACTORS = (1.0, 10**0.5, 10**-0.5, 10.0, 0.1)  # of the plan's rate; the nearest are measured first
SEEDS = 2
MINUTES = 10.0
OWN = {
    "evaluation.score": "none",
    "evaluation.best_by": "loss",
    "training.early_stopping": 0,
    "budget.max_hours": None,
    "budget.max_usd": None,
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What was measured, and the values to take.

    Attributes:
        chosen: None where nothing was measured to its end.
        planned: values that the plan would take.
        sure: the runs show that `chosen` is better than every other variant that finished.
        says: what to do, and how sure that is, in one or two sentences.
    """

    study: Study
    standings: tuple[Standing, ...]
    chosen: Standing | None
    planned: dict[str, Any]
    sure: bool
    says: str
    notes: tuple[str, ...]
    usd_per_hour: float | None

    @property
    def values(self) -> dict[str, Any]:
        """Return the values to take, {} if there are none."""
        return {} if self.chosen is None else dict(self.chosen.variant.values)

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            **standing.summary(self.study, self.usd_per_hour),
            "variants": [one.document() for one in self.standings],
            "planned": self.planned,
            "chosen": self.values or None,
            "sure": self.sure,
            "says": self.says,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Probing:
    """A probe that can be run: its study, and the plan of the whole run."""

    study: Study
    plan: Plan
    minutes: float

    def run(self, tell: Callable[[Study], None] = lambda study: None) -> Probe:
        """Measure what is left, within the minutes. See `Study.run` for what it raises."""
        self.study.until = time.monotonic() + 60 * self.minutes
        self.study.run(tell)
        return concluded(self)


def prepare_probe(
    preset: Preset,
    root: Path | None = None,
    *,
    rates: Sequence[float] = (),
    ranks: Sequence[int] = (),
    seeds: int = SEEDS,
    steps: int | None = None,
    minutes: float = MINUTES,
    say: Callable[[str], None] | None = None,
) -> Probing:
    """Plan the probe of a preset.

    Raises:
        UserError: for what `train` would refuse, no evaluation rows, or values that the preset refuses.
    """
    root = root or default_root()
    inputs, plan = ready(preset, root, say=say)
    require_rows(inputs.facts.rows_eval if inputs.facts is not None else 0)
    planned = float(plan.resolved.training.learning_rate)
    if len(set(rates)) == 1 and len(set(ranks)) < 2:
        raise UserError("one rate cannot be compared", place="--rates", remedy="name two or more: 1e-4,3e-4")
    asked = list(dict.fromkeys(rates)) or [
        planned if factor == 1 else rounded(planned * factor) for factor in FACTORS
    ]
    asked = [one for one in asked if 0 < one <= 1] if not rates else asked
    several: list[dict[str, Any]] = [{RATE: one} for one in asked]
    if ranks:
        technique = techniques.every()[plan.resolved.method.technique]
        if not technique.ranked:
            raise UserError(f"{technique.name} does not have a rank", place="--ranks", remedy="leave it out")
        several = [{**one, RANK: rank} for one in several for rank in dict.fromkeys(ranks)]
    variants = tuple(named(preset, several, "--rates"))
    length = steps or budget.steps_for(plan, minutes, len(variants), seeds)
    first = preset.training.seed
    chosen = tuple(range(first, first + seeds))
    digest = record.identity("probe", preset, variants, chosen, length)
    study = Study(
        "probe",
        preset,
        variants,
        chosen,
        record.directory_for(root, f"{run_name(preset)[:56]}-probe", digest),
        digest,
        steps=length,
        every=every(length),
        own=OWN,
    )
    return Probing(study, plan, minutes)


def concluded(probing: Probing) -> Probe:
    """Return what the runs of a probe show so far."""
    study, plan = probing.study, probing.plan
    found = tuple(standing.standings(study))
    planned: dict[str, Any] = {RATE: float(plan.resolved.training.learning_rate)}
    if any(RANK in one.values for one in study.variants):
        planned[RANK] = plan.resolved.method.rank
    chosen, sure, says = _choice(found, planned, standing.base_loss(study))
    sure = sure and study.finished
    notes = list(_notes(probing, found, chosen))
    return Probe(study, found, chosen, planned, sure, says, tuple(notes), plan.usd_per_hour)


def _choice(
    found: Sequence[Standing], planned: dict[str, Any], base: float | None
) -> tuple[Standing | None, bool, str]:
    """The variant to take, whether it is surely better than the others, and a sentence."""
    finished = [one for one in found if one.loss is not None]
    if not finished:
        return None, False, "No run came to its end, so nothing can be said. Run the same command again."
    best = finished[0]
    tied = [one for one in finished if one.tied]
    if best.loss is not None and base is not None and best.loss >= base:
        says = "No rate was better than the base model in so few steps. Use more: --steps."
        return None, False, says
    if len(tied) == 1:
        other = finished[1] if len(finished) > 1 else None
        if other is None and any(one.state not in (EARLY, DIVERGED) for one in found if one is not best):
            return best, False, f"Only {best.variant.label} was measured to its end."
        if other is None:
            return best, True, f"Take {best.variant.label}: every other run was clearly behind, or diverged."
        low, high = other.interval or (other.difference, other.difference)
        return (
            best,
            True,
            (
                f"Take {best.variant.label}: its eval loss is {other.difference:.3g} below that of "
                f"{other.variant.label} (95% CI {low:.3g} to {high:.3g})."
            ),
        )
    own = next((one for one in tied if one.variant.values == planned), None)
    labels = ", ".join(sorted(one.variant.label for one in tied))
    if own is not None:
        says = f"No difference that these rows could show between {labels}: keep {own.variant.label}."
        return own, False, says
    nearest = min(tied, key=lambda one: abs(_decades(one.variant.values[RATE], planned[RATE])))
    says = (
        f"No difference that these rows could show between {labels}. {nearest.variant.label} is nearest "
        "to the plan's."
    )
    return nearest, False, says


def _notes(probing: Probing, found: Sequence[Standing], chosen: Standing | None) -> list[str]:
    study, notes = probing.study, []
    if study.out_of_time:
        notes.append(
            f"The budget of {probing.minutes:g} minutes was used up; the same command continues. "
            "More time: --minutes."
        )
    if chosen is not None and study.steps is not None and study.steps < (probing.plan.steps or 0):
        notes.append(
            f"Measured over {plural(study.steps, 'step')}; the whole run has {probing.plan.steps:,}, for "
            "which a somewhat lower rate can be better."
        )
    rates = sorted({one.values[RATE] for one in study.variants})
    if chosen is not None and len(rates) > 1 and not [one for one in found if one.tied and one is not chosen]:
        rate = chosen.variant.values[RATE]
        if rate in (rates[0], rates[-1]):
            side = "lowest" if rate == rates[0] else "highest"
            further = rounded(rate / 3) if rate == rates[0] else rounded(min(1.0, rate * 3))
            if further != rate:
                tried = f"The best rate is the {side} that was tried."
                notes.append(f"{tried} Try further: --rates {shown(rate)},{further:g}")
    if len(study.seeds) == 1:
        notes.append("One seed: the interval is over rows only, and does not know how much runs differ.")
    return notes


def require_rows(rows: int | None) -> None:
    """UserError where no rows are held out, so that runs cannot be compared."""
    if not rows:
        raise UserError(
            "no rows are held out, so runs cannot be compared",
            place="data.eval",
            remedy="hold rows out: --set data.eval=0.1",
        )


def rounded(rate: float) -> float:
    """Return a rate with two significant digits."""
    return float(f"{rate:.1e}")


def _decades(rate: float, other: float) -> float:
    import math

    return math.log10(rate / other)
