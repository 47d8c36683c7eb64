"""`tuiftune sweep`: every combination of values of any preset keys, in one table, and the best preset."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import stages
from tuiftune.errors import UserError
from tuiftune.figures import plural
from tuiftune.jobs.prepare import ready
from tuiftune.jobs.probing import require_rows
from tuiftune.jobs.study import record, standing
from tuiftune.jobs.study.study import Study, every
from tuiftune.jobs.study.variant import grid
from tuiftune.preset.file import save
from tuiftune.preset.naming import run_name
from tuiftune.runs.reports.compare import OTHER_TOKENS
from tuiftune.runs.store.directory import default_root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.jobs.study.standing import Standing
    from tuiftune.jobs.study.variant import Variant
    from tuiftune.preset.schema import Preset

BEST = "best.yaml"  # in the study's directory
REFUSED = {
    "method.stage": "the losses of two stages are not of the same kind",
    "data.eval": "the evaluation rows must stay the same, or nothing can be compared",
    "data.test": "test rows decide nothing here",
    "evaluation.score": "what is measured must stay the same",
    "evaluation.rows": "what is measured must stay the same",
}


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was measured. `best` is None where no run came to its end; `path`: the best preset."""

    study: Study
    standings: tuple[Standing, ...]
    by: str
    best: Standing | None
    says: str
    notes: tuple[str, ...]
    path: Path | None
    usd_per_hour: float | None

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            **standing.summary(self.study, self.usd_per_hour),
            "compared_by": self.by,
            "variants": [
                {**one.document(), "usd": standing.cost(one.seconds, self.usd_per_hour)}
                for one in self.standings
            ],
            "best": None if self.best is None else dict(self.best.variant.values),
            "preset": None if self.path is None else str(self.path),
            "says": self.says,
            "notes": list(self.notes),
        }

    def _variant(self, one: Standing) -> dict[str, Any]:
        return {**one.document(), "usd": standing.cost(one.seconds, self.usd_per_hour)}


@dataclass(frozen=True, slots=True)
class Sweeping:
    """A sweep that can be run. `minutes`: None without a budget."""

    study: Study
    by: str
    minutes: float | None
    usd_per_hour: float | None

    def run(self, tell: Callable[[Study], None] = lambda study: None) -> Sweep:
        """Run what is left, and write the best preset. See `Study.run` for what it raises."""
        if self.minutes is not None:
            self.study.until = time.monotonic() + 60 * self.minutes
        self.study.run(tell)
        found = tuple(standing.standings(self.study, self.by))
        best = found[0] if found[0].value is not None else None
        path = None
        if best is not None:
            path = self.study.directory / BEST
            save(self.study.preset.with_values(dict(best.variant.values)), path)
        return Sweep(
            self.study, found, self.by, best, _says(found, self.by), self._notes(), path, self.usd_per_hour
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.study.out_of_time:
            notes.append(f"The budget of {self.minutes:g} minutes was used up; the same command continues.")
        if self.by == standing.ERRORS:
            notes.append("Compared by exact match: the eval losses are not of the same tokens.")
        if len(self.study.seeds) == 1:
            notes.append(
                "One seed: the intervals are over rows only. Add --seeds to see how much runs differ."
            )
        return tuple(notes)


def prepare_sweep(
    preset: Preset,
    over: Sequence[str],
    root: Path | None = None,
    *,
    seeds: int = 1,
    steps: int | None = None,
    minutes: float | None = None,
    halves: bool = True,
    say: Callable[[str], None] | None = None,
) -> Sweeping:
    """Plan a sweep.

    Raises:
        UserError: for what `train` would refuse of the preset, no evaluation rows, keys that nothing can be
            compared over, or values that the preset refuses.
    """
    root = root or default_root()
    variants = tuple(grid(preset, over))
    by = _measure(preset, variants)
    inputs, plan = ready(preset, root, say=say)
    require_rows(inputs.facts.rows_eval if inputs.facts is not None else 0)
    length = steps or plan.steps or 1
    chosen = tuple(range(preset.training.seed, preset.training.seed + seeds))
    digest = record.identity("sweep", preset, variants, chosen, steps)
    study = Study(
        "sweep",
        preset,
        variants,
        chosen,
        record.directory_for(root, f"{run_name(preset)[:56]}-sweep", digest),
        digest,
        steps=steps,
        every=min(every(length), int(plan.resolved.run.save_every)),
        halves=halves and by == standing.LOSS,
        keeps=True,
    )
    return Sweeping(study, by, minutes, plan.usd_per_hour)


def _measure(preset: Preset, variants: Sequence[Variant]) -> str:
    """What variants are compared by. UserError for keys over which nothing can be."""
    keys = variants[0].values
    stage = stages.every()[preset.method.stage]
    for key in keys:
        if key in REFUSED:
            raise UserError(REFUSED[key], place=f"--over {key}", remedy="sweep over another key")
        if key.removeprefix("method.") in stage.measures:
            raise UserError(
                f"the eval loss of {stage.does} is made of it, so losses with other values do not compare",
                place=f"--over {key}",
                remedy="sweep over another key; train both, and compare their answers or metrics",
            )
    if "data.train" in keys and not isinstance(preset.data.eval, str):
        raise UserError(
            "each file would have its own evaluation rows",
            place="--over data.train",
            remedy="set data.eval to a file",
        )
    changed = [key for key in keys if key in OTHER_TOKENS]
    if not changed:
        return standing.LOSS
    if not stage.answers:
        raise UserError(
            f"changes which tokens the eval loss is of, and {stage.does} does not compare answers",
            place=f"--over {changed[0]}",
            remedy="sweep over another key, or compare runs by `tuiftune evaluate`",
        )
    if preset.evaluation.score == "none" or not preset.evaluation.rows:
        raise UserError(
            "changes which tokens the eval loss is of, and no answers are scored",
            place=f"--over {changed[0]}",
            remedy="set evaluation.score=auto and evaluation.rows=64",
        )
    return standing.ERRORS


def _says(found: Sequence[Standing], by: str) -> str:
    finished = [one for one in found if one.value is not None]
    if not finished:
        return "No run came to its end. Run the same command again."
    best = finished[0]
    tied = [one for one in finished[1:] if one.tied]
    if tied:
        several = plural(len(tied), "other variant")
        return (
            f"Best: {best.variant.label}, but no difference in {by} that these rows could show to {several}."
        )
    return f"Best: {best.variant.label}, by {by}" + (", beyond chance." if len(finished) > 1 else ".")
