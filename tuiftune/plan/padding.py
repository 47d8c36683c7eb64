"""Row lengths → how long a padded batch really is. From 21 quantiles, so that it costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from tuiftune import stages

if TYPE_CHECKING:
    from tuiftune.data.facts import DataFacts
    from tuiftune.preset.schema import Preset

ESTIMATE_MARGIN = 1.3  # on the longest rows, where lengths were estimated from characters
_POINTS = 128
_GRID = tuple((i + 0.5) / _POINTS for i in range(_POINTS))


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths in tokens after truncation at `limit`. Without data every row is `limit` long.

    `tail` bends the last interval, from the 95 % quantile to the longest row: few rows are long, and
    a straight line there would make every batch look as long as they are.
    """

    quantiles: tuple[int, ...]
    limit: int
    mean: float
    longest: int
    rows: int | None
    tail: float = 1.0
    top: tuple[int, ...] = ()  # bounds of the longest rows' lengths, longest first

    def padded(self, micro_batch: int) -> float:
        """Mean length of a batch of so many random rows, padded to its longest."""
        return self.mean if micro_batch == 1 else _padded(self, micro_batch)

    @property
    def bound(self) -> int:
        """Tokens that no row exceeds."""
        return self.top[0] if self.top else self.longest

    def together(self, micro_batch: int) -> int:
        """Tokens that so many rows, one after the other, never exceed."""
        known = self.top[:micro_batch]
        last = known[-1] if known else self.longest
        return sum(known) + (micro_batch - len(known)) * last

    @property
    def differ(self) -> bool:
        """Whether rows of one batch can have different lengths, so that some are padded."""
        return min(self.quantiles[0], self.limit) < self.longest

    def at(self, share: float) -> float:
        """The length that this share (0–1) of the rows do not exceed."""
        steps = len(self.quantiles) - 1
        low = min(int(share * steps), steps - 1)
        part = share * steps - low
        if low == steps - 1:
            part = part**self.tail
        length = self.quantiles[low] + part * (self.quantiles[low + 1] - self.quantiles[low])
        return max(1.0, min(float(self.limit), length))


@lru_cache(maxsize=1024)
def _padded(lengths: Lengths, micro_batch: int) -> float:
    spread = [lengths.at(u ** (1 / micro_batch)) for u in _GRID]
    return max(lengths.mean, sum(spread) / _POINTS)


def as_trained(facts: DataFacts | None, preset: Preset) -> DataFacts | None:
    """The facts of the rows that the stage makes of the data: long ones may become several."""
    limit = preset.data.max_length
    if facts is not None and stages.every()[preset.method.stage].writes:
        return _answered(facts, preset)
    if facts is None or not stages.every()[preset.method.stage].splits or facts.longest <= limit:
        return facts
    whole = Lengths(facts.quantiles, facts.longest, 0.0, facts.longest, facts.rows, _tail(facts))
    pieces = []
    for length in (round(whole.at(share)) for share in _GRID):
        full, rest = divmod(length, limit)
        pieces += [limit] * full + [rest] * (rest > 0)
    pieces.sort()
    rows = max(1, round(facts.rows * len(pieces) / len(_GRID)))
    return replace(
        facts,
        rows=rows,
        mean_length=min(float(limit), facts.rows * facts.mean_length / rows),
        longest=limit,
        quantiles=tuple(pieces[round(at * (len(pieces) - 1) / 20)] for at in range(21)),
        longest_rows=(limit,) * min(len(facts.longest_rows), rows),
    )


def _answered(facts: DataFacts, preset: Preset) -> DataFacts:
    """The facts of answers that are sampled: each as long as it may be, several to a prompt."""
    most, rollouts = preset.method.max_completion_length, stages.every()[preset.method.stage].rollouts
    several = preset.method.generations if rollouts else 1
    limit = preset.data.max_length + most
    return replace(
        facts,
        rows=facts.rows * several,
        mean_length=min(facts.mean_length + most, float(limit)),
        longest=min(facts.longest + most, limit),
        quantiles=tuple(min(length + most, limit) for length in facts.quantiles),
        longest_rows=tuple(min(length + most, limit) for length in facts.longest_rows),
    )


def window(preset: Preset) -> int:
    """Tokens that a sequence may have: those of a row, and of an answer that is sampled to it."""
    more = preset.method.max_completion_length if stages.every()[preset.method.stage].writes else 0
    return int(preset.data.max_length + more)


def lengths_of(facts: DataFacts | None, max_length: int) -> Lengths:
    """Lengths as the trainer will see them: rows cut at `max_length`."""
    if facts is None or len(facts.quantiles) < 2:
        rows = facts.rows if facts is not None else None
        return Lengths((max_length, max_length), max_length, float(max_length), max_length, rows)
    longest = max(1, min(facts.longest, max_length))
    margin = ESTIMATE_MARGIN if "estimat" in facts.basis else 1.0
    top = tuple(min(max_length, int(length * margin)) for length in facts.longest_rows or (facts.longest,))
    bent = Lengths(facts.quantiles, max_length, 0.0, longest, facts.rows, _tail(facts))
    mean = facts.mean_length
    if facts.longest > max_length:
        mean = sum(bent.at(share) for share in _GRID) / _POINTS
    mean = max(1.0, min(mean, float(longest)))
    return Lengths(facts.quantiles, max_length, mean, longest, facts.rows, bent.tail, top)


def _tail(facts: DataFacts) -> float:
    """The power of the last interval under which the quantiles have the mean that was measured."""
    *others, last = pairwise(facts.quantiles)
    share = facts.mean_length * (len(others) + 1) - sum((a + b) / 2 for a, b in others)
    low, high = last
    if high <= low:
        return 1.0
    part = min(0.5, max(0.02, (share - low) / (high - low)))
    return 1 / part - 1
