"""Number match, as GSM8K is scored: the final number of the answer is that of the reference.

Numbers are read by value (`1/2` is 0.5, `$1,234.50` is 1234.5): see `tuiftune.final_number`, which the reward
numeric_match asks too.
"""

from __future__ import annotations

from tuiftune import final_number
from tuiftune.evaluate.scorers.base import Pair, Scorer, each


def score(pair: Pair) -> float | None:
    """Return 1 if both end in the same number; None if the reference has none."""
    wanted = final_number.final(pair.reference)
    return None if wanted is None else float(final_number.same(final_number.final(pair.answer), wanted))


NUMBER_MATCH = Scorer(
    key="number_match",
    order=30,
    name="number match",
    does="the same final number",
    kind="rate",
    parts=each(score),
    tasks=frozenset({"number"}),
    leads=frozenset({"number"}),
    source="Cobbe et al. 2021, GSM8K, arXiv:2110.14168",
)
