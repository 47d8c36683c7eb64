"""Scores with their 95% confidence intervals, and paired comparisons of two contenders on the same rows.

Rates: Wilson's interval and McNemar's exact test; the difference by Newcombe's paired method. Means: BCa
bootstrap and a sign-flip permutation test (scipy). Functions of sums (BLEU, macro F1): percentile bootstrap
over rows, and approximate randomization, which swaps the two contenders' answers.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.evaluate import extras
from tuiftune.evaluate.scorers.base import composed_pairs
from tuiftune.evaluate.statistics import Z_95, mcnemar, newcombe, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part, Scorer

RESAMPLES = 2000  # the limits of an interval vary by about 2% of its width from seed to seed
SEED = 42
ROUNDING = 1e-9  # of sums of floats
Z_POWER = 0.8416212335729143  # 80% quantile of the standard normal
FEWEST_CHANGED = 6  # rows that must all change the same way for McNemar's exact p < 0.05
BOUNDED = {"share": 1.0, "points": 100.0}


@dataclass(frozen=True, slots=True)
class Measured:
    """One scorer over the rows of one contender.

    Attributes:
        parts: what each row adds; None for rows it does not apply to.
        value: the score; None if it applies to no row.
        interval: 95% confidence interval of `value`; None if rows give no basis for one.
        rows: rows it applies to.
    """

    scorer: Scorer
    argument: str
    parts: tuple[Part | None, ...]
    value: float | None
    interval: tuple[float, float] | None
    rows: int

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "rows": self.rows,
            "unit": self.scorer.unit,
            "better": self.scorer.better,
            **({"argument": self.argument} if self.argument else {}),
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """The second contender minus the first, on the rows that both have.

    Attributes:
        p: two-sided p of no difference, by `test`.
        smallest: the smallest difference that so many rows would show 4 times in 5; None if unknown.
    """

    value: float
    interval: tuple[float, float] | None
    p: float
    test: str
    smallest: float | None
    rows: int

    @property
    def shown(self) -> bool:
        """Return True if it is more than chance gives (p < 0.05)."""
        return self.p < 0.05

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "p": self.p,
            "test": self.test,
            "smallest_detectable": self.smallest,
            "rows": self.rows,
        }


def measure(scorer: Scorer, argument: str, pairs: Sequence[Pair]) -> Measured:
    """Score answers. UserError from a custom metric that fails."""
    parts = tuple(scorer.parts(composed_pairs(pairs), argument))
    there = [part for part in parts if part is not None]
    if not there:
        return Measured(scorer, argument, parts, None, None, 0)
    value = _combined(scorer, there)
    if not math.isfinite(value):
        return Measured(scorer, argument, parts, None, None, len(there))
    return Measured(scorer, argument, parts, value, _interval(scorer, there, value), len(there))


def compare(first: Measured, second: Measured) -> Difference | None:
    """Compare two contenders by the same scorer on the same rows; None if they share no scored row."""
    both = [(a, b) for a, b in zip(first.parts, second.parts, strict=True) if a is not None and b is not None]
    if not both or first.value is None or second.value is None:
        return None
    scorer = first.scorer
    if scorer.kind == "rate":
        return _rates([(a[0] > 0, b[0] > 0) for a, b in both])
    if scorer.kind == "mean":
        return _means([b[0] - a[0] for a, b in both])
    return _sums(scorer, [a for a, _ in both], [b for _, b in both])


def _combined(scorer: Scorer, parts: Sequence[Part]) -> float:
    sums = [math.fsum(column) for column in zip(*parts, strict=True)]
    if scorer.kind == "sums":
        assert scorer.combine is not None
        return scorer.combine(sums)
    return sums[0] / len(parts)


def _interval(scorer: Scorer, parts: Sequence[Part], value: float) -> tuple[float, float] | None:
    if scorer.kind == "rate":
        return wilson(round(sum(part[0] for part in parts)), len(parts))
    if len(parts) < 2:
        return None
    if scorer.kind == "mean":
        values = [part[0] for part in parts]
        if len(set(values)) > 1:
            return _bootstrap(values)
        most = BOUNDED.get(scorer.unit)
        if most is None or not 0 <= value <= most:
            return None
        # All rows alike: no spread to resample. A share has no more spread than a rate of the same mean.
        low, high = _wilson_of_share(value / most, len(values))
        return low * most, high * most
    return _bootstrap_of_sums(scorer, parts)


def _wilson_of_share(share: float, rows: int) -> tuple[float, float]:
    low = wilson(math.floor(share * rows), rows)[0]
    return low, wilson(math.ceil(share * rows), rows)[1]


def _bootstrap(values: Sequence[float]) -> tuple[float, float] | None:
    """BCa interval of a mean. Source: Efron 1987, JASA 82, 171–185."""
    import numpy as np

    stats = extras.need("scipy.stats", "intervals of means")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = stats.bootstrap(
            (np.asarray(values),),
            np.mean,
            n_resamples=RESAMPLES,
            method="BCa",
            rng=np.random.default_rng(SEED),
            vectorized=True,
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _bootstrap_of_sums(scorer: Scorer, parts: Sequence[Part]) -> tuple[float, float] | None:
    import numpy as np

    assert scorer.combine is not None
    values = [scorer.combine(row.tolist()) for row in _resampled(parts, len(parts))]
    found = [value for value in values if math.isfinite(value)]
    if len(found) < len(values) or min(found) == max(found):
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _resampled(parts: Sequence[Part], rows: int) -> Any:
    """Sums over rows drawn with replacement, one line a resample: (RESAMPLES, columns)."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    counts = rng.multinomial(rows, [1 / rows] * rows, size=RESAMPLES)
    return counts @ np.asarray(parts)


def _rates(pairs: Sequence[tuple[bool, bool]]) -> Difference:
    gained = sum(not a and b for a, b in pairs)
    lost = sum(a and not b for a, b in pairs)
    rows = len(pairs)
    value = (gained - lost) / rows
    spread = math.sqrt(max((gained + lost) / rows - value * value, 0.0))
    smallest = max(FEWEST_CHANGED / rows, (Z_95 + Z_POWER) * spread / math.sqrt(rows))
    both = sum(a and b for a, b in pairs)
    return Difference(
        value,
        newcombe(both, gained, lost, rows),
        mcnemar(gained, lost),
        "McNemar's exact test",
        smallest if smallest <= 1 else None,
        rows,
    )


def _means(changes: Sequence[float]) -> Difference:
    import numpy as np

    rows, value = len(changes), math.fsum(changes) / len(changes)
    test = "sign-flip permutation test"
    if len(set(changes)) == 1:
        p = 1.0 if changes[0] == 0 else min(1.0, 2.0 ** (1 - rows))
        return Difference(value, (value, value) if rows > 1 and p < 0.05 else None, p, test, None, rows)
    stats = extras.need("scipy.stats", "tests of means")
    found = stats.permutation_test(
        (np.asarray(changes),),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES * 5,
        vectorized=True,
        rng=np.random.default_rng(SEED),
    )
    spread = float(np.std(changes, ddof=1))
    smallest = (Z_95 + Z_POWER) * spread / math.sqrt(rows)
    return Difference(value, _bootstrap(changes), float(found.pvalue), test, smallest, rows)


def _sums(scorer: Scorer, first: Sequence[Part], second: Sequence[Part]) -> Difference:
    """Source of the test: Noreen 1989; Riezler and Maxwell 2005 compare it with the bootstrap."""
    import numpy as np

    assert scorer.combine is not None
    score, rows = scorer.combine, len(first)
    value = _combined(scorer, second) - _combined(scorer, first)
    joined = [(*a, *b) for a, b in zip(first, second, strict=True)]
    width = len(first[0])
    changes = [score(row[width:].tolist()) - score(row[:width].tolist()) for row in _resampled(joined, rows)]
    a, b = np.asarray(first), np.asarray(second)
    swaps = np.random.default_rng(SEED).integers(0, 2, size=(RESAMPLES, rows))
    kept_a, kept_b = (1 - swaps) @ a + swaps @ b, (1 - swaps) @ b + swaps @ a
    far = sum(
        abs(score(y.tolist()) - score(x.tolist())) >= abs(value) - 1e-12
        for x, y in zip(kept_a, kept_b, strict=True)
    )
    spread = float(np.std(changes))
    spread = spread if spread > ROUNDING * max(1.0, abs(value)) else 0.0
    interval = tuple(float(one) for one in np.quantile(changes, [0.025, 0.975])) if spread else None
    return Difference(
        value,
        (interval[0], interval[1]) if interval else None,
        (far + 1) / (RESAMPLES + 1),
        "approximate randomization",
        (Z_95 + Z_POWER) * spread if spread else None,
        rows,
    )
