"""The course of a run's losses in the figures that the rules go by: levels, noise, and what fell when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

Point = tuple[float, float]  # step, loss

FIRST = 3  # steps whose median is the level at the start
SHARE = 0.1  # of the steps so far, whose median is the level now …
LEAST, MOST = 3, 25  # … within these bounds
SAME = 0.002  # of the base model's eval loss: the evaluation has no noise, so less is no change
STILL = 0.02  # of the training loss at the start; less is no change
KNOWN = 0.05  # nats a token: exp(-0.05) = 95% of the probability is on the right token
UNLIKE = 0.6  # ratio of the base model's losses on evaluation and training rows
UNLIKE_STEPS = 2  # whose training losses are still about the base model's
NOISE_OVER = 40  # steps from which the noise is measured


@dataclass(frozen=True, slots=True)
class Course:
    """Training and eval losses so far.

    Attributes:
        points: (step, loss) of the training loss, thinned in long runs.
        evals: (step, loss) of the evaluations while training.
        base: eval loss of the base model.
        progress: share of the steps that is done; None if unknown.
        rate, usual: learning rate at its peak as planned, and what the plan would choose; None if unknown.
        warm: False while the learning rate is still warming up.
        epoch: passes over the rows so far; None if unknown.
        rate_now: learning rate of the latest step.
    """

    points: list[Point]
    evals: list[Point]
    base: float | None
    progress: float | None
    rate: float | None
    usual: float | None
    warm: bool
    epoch: float | None
    rate_now: float | None

    @property
    def steps(self) -> int:
        return len(self.points)

    @property
    def start(self) -> float:
        """Level of the training loss at the start."""
        return median(loss for _, loss in self.points[:FIRST])

    @property
    def level(self) -> float:
        """Level of the training loss now."""
        return self.level_at(self.steps)

    def level_at(self, count: int) -> float:
        """Level of the training loss after `count` points."""
        window = max(LEAST, min(MOST, round(SHARE * count)))
        return median(loss for _, loss in self.points[max(0, count - window) : count])

    @property
    def noise(self) -> float:
        """Standard deviation of the training loss between steps lately, trend taken out."""
        return _noise([loss for _, loss in self.points[-NOISE_OVER:]])

    def fall_since(self, share: float) -> tuple[float, float]:
        """Return by how much the loss fell over the last `share` of the points, and the error of that figure.

        Medians of the first and last third of that part; the error is two standard errors.
        """
        part = [loss for _, loss in self.points[-max(6, round(share * self.steps)) :]]
        third = max(2, len(part) // 3)
        error = 2 * 1.2533 * _noise(part) * math.sqrt(2 / third)  # of a median: Kenney and Keeping 1962, 211
        return median(part[:third]) - median(part[-third:]), error

    @property
    def moved(self) -> bool:
        """Return True if the eval loss has changed, or the training loss beyond its noise."""
        if self.base is not None and any(abs(loss - self.base) > SAME * self.base for _, loss in self.evals):
            return True
        if self.steps <= FIRST:
            return False
        fall, error = self.fall_since(1.0)
        return abs(fall) > max(error, STILL * self.start)

    @property
    def learned(self) -> bool:
        """Return True if the model is better than its base: by the eval loss, else by the training loss."""
        if self.base is not None and self.evals:
            return self.evals[-1][1] < self.base * (1 - SAME)
        return self.moved and self.level < self.start

    @property
    def first(self) -> float:
        """Training loss of the first steps, which is still about the base model's."""
        part = [loss for _, loss in self.points[:UNLIKE_STEPS]]
        return sum(part) / len(part)

    @property
    def unlike(self) -> bool:
        """Return True if the base model's losses on evaluation and training rows are far apart."""
        if self.base is None or self.steps < UNLIKE_STEPS or self.first < KNOWN:
            return False
        low, high = sorted((self.base, self.first))
        return low < UNLIKE * high and high - low > 2 * self.noise

    @property
    def best_eval(self) -> Point | None:
        return min(self.evals, key=lambda seen: seen[1], default=None)

    def slower_than_usual(self, times: float) -> bool:
        """Return True if the learning rate is so many times below the usual one."""
        return self.rate is not None and self.usual is not None and self.rate * times < self.usual

    def faster_than_usual(self, times: float) -> bool:
        """Return True if the learning rate at its peak is so many times above the usual one."""
        return self.rate is not None and self.usual is not None and self.rate > times * self.usual

    def fast_now(self, times: float) -> bool:
        """Return True if the learning rate of this step is so many times above the usual one."""
        return self.rate_now is not None and self.usual is not None and self.rate_now > times * self.usual


def _noise(losses: list[float]) -> float:
    changes = [abs(later - sooner) for sooner, later in pairwise(losses)]
    return 1.4826 * median(changes) / math.sqrt(2) if changes else 0.0


def of(state: RunState, planned: Planned) -> Course:
    """Return the course of a run as it is now."""
    during = [(float(seen.step), seen.loss) for seen in state.evaluations if seen.when == "during"]
    before = state.eval_before.loss if state.eval_before is not None else None
    rate = planned.learning_rate or state.curves["lr"].highest
    ratio = planned.warmup_ratio or 0.0
    return Course(
        points=state.curves["loss"].points(),
        evals=[(step, loss) for step, loss in during if loss is not None],
        base=before,
        progress=state.progress,
        rate=rate,
        usual=planned.usual_rate,
        warm=state.progress is None or state.progress >= ratio,
        epoch=state.values.get("epoch"),
        rate_now=state.values.get("lr"),
    )
