"""What the best checkpoint is chosen by: the eval loss, a measure of the stage, or a metric of answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import metrics
from tuiftune.errors import UserError
from tuiftune.evaluate import scorers
from tuiftune.evaluate.scorers.base import composed_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuiftune.evaluate.scorers.base import Pair, Scorer
    from tuiftune.preset.schema import Preset
    from tuiftune.stages.base import Stage

LOSS, KEY = "loss", "evaluation.best_by"


@dataclass(frozen=True, slots=True)
class BestBy:
    """The metric. `scorer` is None for what an evaluation measures anyway."""

    key: str
    higher: bool
    scorer: Scorer | None = None
    argument: str = ""

    @property
    def name(self) -> str:
        """Return its name in words."""
        if self.scorer is not None:
            return self.scorer.name
        known = metrics.find("eval", self.key)
        return "eval loss" if self.key == LOSS else known.label if known is not None else self.key

    def rank(self, value: float) -> float:
        """Return a number of which lower is better."""
        return -value if self.higher else value

    def of(self, told: Mapping[str, float], answers: Sequence[Pair] = ()) -> float | None:
        """Return its value, from an evaluation's measures or answers; None where they do not give one."""
        if self.scorer is None:
            return told.get(self.key)
        scored = self.scorer.parts(composed_pairs(answers), self.argument)
        parts = [part for part in scored if part is not None]
        if not parts:
            return None
        sums = [math.fsum(column) for column in zip(*parts, strict=True)]
        if self.scorer.kind == "sums":
            assert self.scorer.combine is not None
            return self.scorer.combine(sums)
        return sums[0] / len(parts)


def resolve(preset: Preset, stage: Stage) -> BestBy:
    """Return what a preset's best checkpoint is chosen by.

    Raises:
        UserError: for a metric that there is none of, or that this stage or preset does not measure.
    """
    wanted = preset.evaluation.best_by
    if wanted == LOSS:
        return BestBy(LOSS, higher=False)
    key = wanted.partition("=")[0]
    known = metrics.find("eval", wanted)
    if key not in scorers.every() and known is not None and known.registered and known.better:
        return BestBy(wanted, higher=known.better == "higher")
    if key not in scorers.every():
        usable = [
            one.key for one in scorers.every().values() if not one.losses and not one.takes and one.better
        ]
        raise UserError(
            "unknown metric", place=f"{KEY}: {wanted}", remedy=f"use one of: loss, {', '.join(usable)}"
        )
    ((scorer, argument),) = _named(wanted)
    if scorer.losses or not scorer.better:
        raise UserError("cannot choose a checkpoint", place=f"{KEY}: {wanted}", remedy="use loss")
    wanted_rows = preset.evaluation.rows if preset.evaluation.score != "none" else 0
    if not stage.answers or not wanted_rows:
        off = "evaluation.rows is 0" if not preset.evaluation.rows else "evaluation.score is none"
        why = off if stage.answers else f"{stage.key} has no reference answers"
        raise UserError(
            f"no answers are compared, because {why}", place=f"{KEY}: {wanted}", remedy="use loss"
        )
    return BestBy(key, scorer.better == "higher", scorer, argument)


def _named(wanted: str) -> list[tuple[Scorer, str]]:
    try:
        return scorers.named([wanted])
    except UserError as fault:
        raise UserError(fault.message, place=f"{KEY}: {wanted}", remedy=fault.remedy) from None
