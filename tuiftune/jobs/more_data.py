"""`tuiftune decide --more-data`: runs on 25, 50 and 100% of the rows, and whether more rows would help."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.data import chat_rows
from tuiftune.errors import UserError
from tuiftune.figures import percent, plural
from tuiftune.jobs.prepare import ready
from tuiftune.jobs.probing import OWN, require_rows
from tuiftune.jobs.study import budget, record, standing
from tuiftune.jobs.study.study import Study
from tuiftune.jobs.study.trial import DONE
from tuiftune.jobs.study.variant import Variant
from tuiftune.outputs import writing
from tuiftune.preset.naming import run_name
from tuiftune.runs.reports.verdict import GAIN
from tuiftune.runs.store.directory import DIRECTORY_MODE, default_root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.data.example import Example
    from tuiftune.jobs.study.standing import Interval
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset

SHARES = (1.0, 0.5, 0.25)  # of the training rows, each a part of the one before
SEEDS = 3  # each draws its own rows
EVALUATIONS = 8  # of a run, whose best checkpoint counts: fewer rows overfit sooner
FEWEST = 16  # training rows


@dataclass(frozen=True, slots=True)
class Point:
    """A share of the rows. `gained`: fall of the eval loss from half as many; None without one."""

    share: float
    rows: int
    loss: float | None
    gained: float | None
    interval: Interval | None
    seeds: int

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "share": self.share,
            "rows": self.rows,
            "loss": self.loss,
            "gained": self.gained,
            "interval": None if self.interval is None else list(self.interval),
            "seeds": self.seeds,
        }


@dataclass(frozen=True, slots=True)
class MoreData:
    """The curve, and what it says. `helps`: None where the runs cannot show it."""

    study: Study
    points: tuple[Point, ...]
    helps: bool | None
    says: str
    notes: tuple[str, ...]
    usd_per_hour: float | None

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            **standing.summary(self.study, self.usd_per_hour),
            "points": [point.document() for point in self.points],
            "helps": self.helps,
            "says": self.says,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve that can be measured."""

    study: Study
    plan: Plan
    minutes: float
    rows: dict[str, int]

    def run(self, tell: Callable[[Study], None] = lambda study: None) -> MoreData:
        """Measure what is left, within the minutes. See `Study.run` for what it raises."""
        self.study.until = time.monotonic() + 60 * self.minutes
        self.study.run(tell)
        return self._concluded()

    def _concluded(self) -> MoreData:
        found = {one.variant.key: one for one in standing.standings(self.study)}
        points, before = [], None
        for variant in reversed(self.study.variants):
            change: float | None = None
            interval: Interval | None = None
            trials = [trial for trial in self.study.of(variant) if trial.state == DONE]
            if before is not None and trials and len(trials) == len(before):
                difference, sure = standing.difference(trials, before)
                change = 0.0 - difference
                interval = None if sure is None else (0.0 - sure[1], 0.0 - sure[0])
            points.append(
                Point(
                    _share(variant),
                    self.rows[variant.key],
                    found[variant.key].loss,
                    change,
                    interval,
                    len(trials),
                )
            )
            before = trials
        helps, says = conclusion(points, standing.base_loss(self.study))
        notes = []
        if self.study.out_of_time:
            notes.append(f"The budget of {self.minutes:g} minutes was used up; the same command continues.")
        return MoreData(self.study, tuple(points), helps, says, tuple(notes), self.plan.usd_per_hour)


def prepare_curve(
    preset: Preset,
    root: Path | None = None,
    *,
    seeds: int = SEEDS,
    steps: int | None = None,
    minutes: float = 10.0,
    say: Callable[[str], None] | None = None,
) -> Curve:
    """Plan the runs, and write the rows of each next to them.

    Raises:
        UserError: for what `train` would refuse, no evaluation rows, too few rows, or rows of a kind that
            cannot be written again.
    """
    from tuiftune.data.mix.split import split

    root = root or default_root()
    inputs, plan = ready(preset, root, say=say)
    assert inputs.dataset is not None
    require_rows(inputs.facts.rows_eval if inputs.facts is not None else 0)
    if inputs.dataset.format == "kto":
        raise UserError(
            "judged answers cannot be divided", place="--more-data", remedy="use rows with answers"
        )
    train, held = split(inputs.dataset, preset.data.eval, preset.training.seed)
    if len(train) < FEWEST:
        raise UserError(
            f"only {plural(len(train), 'training row')}", place="--more-data", remedy=f"{FEWEST} are needed"
        )
    first = preset.training.seed
    chosen = tuple(range(first, first + seeds))
    counts = {f"rows-{share:.0%}".rstrip("%"): round(share * len(train)) for share in SHARES}
    length = steps or budget.steps_for(plan, minutes, len(SHARES), seeds)
    variants = tuple(Variant(key, {}) for key in counts)
    digest = record.identity("more-data", preset, variants, chosen, length)
    directory = record.directory_for(root, f"{run_name(preset)[:52]}-more-data", digest)
    study = Study(
        "more-data",
        preset,
        variants,
        chosen,
        directory,
        digest,
        steps=length,
        every=max(1, length // EVALUATIONS),
        own={
            **OWN,
            "data.eval": str(directory / "eval.jsonl"),
            "data.format": "auto",
            "data.columns": {},
            "data.system": None,
            "data.mix": [],
            "data.mix_temperature": None,
        },
        by_trial={
            f"{key}-seed-{seed}": {"data.train": str(directory / f"{key}-seed-{seed}.jsonl")}
            for key in counts
            for seed in chosen
        },
        halves=False,
    )
    _write_rows(directory, train, held, counts, chosen)
    return Curve(study, plan, minutes, counts)


def conclusion(points: Sequence[Point], base: float | None) -> tuple[bool | None, str]:
    """Return whether more rows would help (None: not shown), and a sentence. The points rise in rows."""
    last = points[-1]
    if last.gained is None or last.interval is None:
        return None, "Not enough runs came to their end to tell. Run the same command again."
    low, high = last.interval
    half = f"From {points[-2].rows:,} to {last.rows:,} rows"
    certain = f"(95% CI {low:.3g} to {high:.3g})"
    if low > 0 and last.gained > GAIN * abs(base or 0.0):
        return True, (
            f"{half}, eval loss fell by {last.gained:.3g} {certain}: more rows like these would help. "
            "As many rows again gain about as much at best."
        )
    if high < 0:
        rose = f"{half}, eval loss rose by {-last.gained:.3g} {certain}"
        return False, f"{rose}: check the added rows for errors."
    if high <= GAIN * abs(base or 0.0):
        return False, f"{half}, eval loss stayed the same {certain}: more rows like these would not help."
    return None, (
        f"No difference that these runs could show: {half[0].lower()}{half[1:]}, eval loss changed by "
        f"{-last.gained:+.3g} {certain.replace('CI', 'CI of the fall')}."
    )


def _write_rows(
    directory: Path,
    train: Sequence[Example],
    held: Sequence[Example],
    counts: dict[str, int],
    seeds: Sequence[int],
) -> None:
    """Write the evaluation rows, and for each seed nested parts of the training rows in its own order."""
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as fault:
        raise paths.cannot(fault, directory, "write") from fault
    _write(directory / "eval.jsonl", held)
    for seed in seeds:
        order = list(train)
        random.Random(seed).shuffle(order)
        for key, count in counts.items():
            _write(directory / f"{key}-seed-{seed}.jsonl", order[:count])


def _write(path: Path, rows: Sequence[Example]) -> None:
    if not paths.exists(path):
        with writing(path) as file:
            chat_rows.write(rows, file)


def _share(variant: Variant) -> float:
    return int(variant.key.removeprefix("rows-")) / 100


def label(point: Point) -> str:
    """Return a share and its rows, such as `50% (400 rows)`."""
    return f"{percent(point.share)} ({plural(point.rows, 'row')})"
