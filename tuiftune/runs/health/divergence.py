"""Detection of divergence from training and eval losses, the same for the training process and its watchers.

The level of the training loss is the median of a few steps, so that single spikes don't count. A run is
suspected of diverging while that level lies above where training began, or has lost most of what it gained,
each beyond the noise between steps. It has diverged once the suspicion has lasted as long as its patience.

Sources: fastai's `lr_find` and Lightning's `early_stop_threshold` end a search once the smoothed loss is 4
times its lowest, which a loss near 0 reaches by noise; here the measure is the share of the gain that is
lost. Patience: Chowdhery et al. 2022 (PaLM, 5.1) go back about 100 steps from a spike that doesn't pass. A
third of the learning rate as the remedy: Bengio 2012, Practical recommendations for gradient-based training,
3.1.1. The thresholds were measured on the runs of `benchmarks/health`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

WINDOW_SHARE = 0.03  # of the steps, whose median is the level of the training loss
WINDOW = (5, 25)  # steps; the median of 5 is not moved by two spikes
KEPT = 40  # losses from which the noise is measured
ABOVE_START = math.log(1.2)  # a level this much above that of the base model is no noise of the rows
RISE = math.log(1.3)  # a level this much above the lowest, where half of the gain is lost
LOST_GAIN = 0.5
NOISE = 3.0  # standard deviations between steps, above the start
NOISE_RISE = 4.0  # the same above the lowest level, which noise has chosen
LEAST_NOISE = (0.1, 0.05)  # of the logarithm, as few steps can't show less, and from `SETTLED` steps on
SETTLED = 15
FLOOR = 0.05  # loss; below, rows are memorized and a ratio says nothing
MATTERS = 0.3  # nats a token that the level must have risen
UNLEARNED = 1.0  # the same where training began below `EASY`: rows that were known are soon learned again
EASY = 0.7  # nats a token; preference losses begin at ln 2
HOPELESS = 16.0  # nats a token: worse than guessing among nine million tokens, more than any vocabulary has
HELD = 0.6  # of these bounds end a suspicion, or it would come and go with the noise
EVAL_ABOVE = 1.2  # times the base model's eval loss, which has no noise: the rows are the same
FAR_ABOVE = 8.0  # times the usual learning rate: beyond the usual range


@dataclass(slots=True)
class Divergence:
    """What is remembered of the losses. Every field is JSON, so that checkpoints can hold it.

    Attributes:
        total: steps of the run; 0 if unknown.
        base: the base model's eval loss.
        start: training losses of the first two steps; the very first is the base model's.
        lowest: logarithm of the lowest level so far.
        recent: (step, loss) of the last steps.
        evaluated: (step, loss) of the latest evaluation while training.
        lowest_eval: the lowest eval loss while training.
        since: first step of the present suspicion.
        high: steps of the present suspicion whose own loss is high: a few spikes side by side are few.
        lasted: the most of these so far, until a new lowest level ends the matter.
        worst: the most of these in the whole run.
    """

    total: int = 0
    base: float | None = None
    start: list[float] = field(default_factory=list)
    lowest: float | None = None
    recent: list[tuple[int, float]] = field(default_factory=list)
    evaluated: tuple[int, float] | None = None
    lowest_eval: float | None = None
    since: int | None = None
    high: int = 0
    lasted: int = 0
    worst: int = 0

    @property
    def steps(self) -> int:
        """How many steps the present suspicion has lasted."""
        return 0 if self.since is None or not self.recent else self.recent[-1][0] - self.since + 1

    @property
    def level(self) -> float | None:
        """The level of the training loss now; None before there are enough steps."""
        if len(self.recent) < self.window:
            return None
        return sorted([loss for _, loss in self.recent[-self.window :]])[self.window // 2]

    @property
    def lowest_level(self) -> float | None:
        """The lowest level of the training loss so far."""
        return None if self.lowest is None else math.exp(self.lowest)

    def take(self, step: int, loss: float | None) -> None:
        """Take in the training loss of a step."""
        if loss is None or not math.isfinite(loss):
            return
        if self.recent and step <= self.recent[-1][0]:
            self._rewind(step)
        self.recent.append((step, loss))
        if len(self.recent) > KEPT:
            del self.recent[0]
        if len(self.start) < 2:
            self.start = [*self.start, loss]
        level = self.level
        if level is None:
            return
        height = math.log(max(level, FLOOR))
        if self._suspect(height):
            self.since = step if self.since is None else self.since
            self.high += loss > level / 2
            self.lasted, self.worst = max(self.lasted, self.high), max(self.worst, self.high)
            return
        self.since, self.high = None, 0
        if self.lowest is None or height < self.lowest:
            self.lowest, self.lasted = height, 0

    def evaluate(self, step: int, loss: float | None, *, before: bool = False) -> None:
        """Take in an eval loss: the base model's, or one while training."""
        if loss is None or not math.isfinite(loss):
            return
        if before:
            self.base = loss
        else:
            self.evaluated = (step, loss)
            self.lowest_eval = loss if self.lowest_eval is None else min(loss, self.lowest_eval)

    def _suspect(self, level: float) -> bool:
        reference = self._reference()
        if self.evaluated is not None and self.base:
            at, loss = self.evaluated
            best = loss if self.lowest_eval is None else self.lowest_eval
            kept = loss < self.base and loss <= best + LOST_GAIN * (self.base - best)
            if self.since is not None and at >= self.since and kept:
                return False  # the model has kept most of its gain on rows that don't change
            if loss > EVAL_ABOVE * self.base and level > reference - ABOVE_START:
                return True
        held = 1.0 if self.since is None else HELD
        above = level - reference
        if math.exp(level) > HOPELESS and above > ABOVE_START:
            return True
        risen = 0.0 if self.lowest is None else level - self.lowest
        if above <= held * ABOVE_START and risen <= held * RISE:
            return False
        noise = max(LEAST_NOISE[len(self.recent) >= SETTLED], self._noise())
        start, now = math.exp(reference), math.exp(level)
        if above > max(held * ABOVE_START, NOISE * noise):
            return now - start > held * (MATTERS if start > EASY else UNLEARNED)
        if self.lowest is None or risen <= max(held * RISE, NOISE_RISE * noise):
            return False
        lowest = math.exp(self.lowest)
        return now - lowest > held * max(MATTERS, LOST_GAIN * (start - lowest))

    def _reference(self) -> float:
        """Logarithm of the level from which training began."""
        known = self.start if self.base is None else [self.base, *self.start[:1]]  # one batch may be easy
        return math.log(max(FLOOR, *known))

    def _noise(self) -> float:
        """Standard deviation between steps of the logarithm of the loss, from the median of its changes."""
        logs = [math.log(max(loss, FLOOR)) for _, loss in self.recent]
        changes = [abs(later - sooner) for sooner, later in pairwise(logs)]
        return 1.4826 * median(changes) / math.sqrt(2) if changes else 0.0

    @property
    def window(self) -> int:
        """How many steps make a level: an odd number, so that one of them is its median."""
        return _within(WINDOW_SHARE * self.total, WINDOW) | 1

    def _rewind(self, step: int) -> None:
        """Forget what came after a checkpoint from which the run goes on."""
        self.recent = [one for one in self.recent if one[0] < step]
        self.since, self.high, self.lasted, self.worst = None, 0, 0, 0
        if self.evaluated is not None and self.evaluated[0] >= step:
            self.evaluated = None
        if not self.recent and step <= 1:
            self.start, self.lowest = [], None


def lower_rate(rate: float, usual: float | None) -> float:
    """Return the learning rate to try after one at which training diverged: a third, at most the usual."""
    third = rate / 3
    return _rounded(third if usual is None else min(third, usual))


def _rounded(rate: float) -> float:
    """Return a rate with one significant digit."""
    return float(f"{rate:.0e}")


def _within(value: float, bounds: tuple[int, int]) -> int:
    return max(bounds[0], min(bounds[1], round(value)))
