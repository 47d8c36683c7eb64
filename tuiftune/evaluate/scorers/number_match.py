"""Number match, as GSM8K is scored: the final number of the answer is that of the reference."""

from __future__ import annotations

from tuiftune.evaluate import parsed
from tuiftune.evaluate.scorers.base import Pair, Scorer, each


def score(pair: Pair) -> float | None:
    """Return 1 if both end in the same number; None if the reference has none."""
    wanted = parsed.final_number(pair.reference)
    return None if wanted is None else float(parsed.final_number(pair.answer) == wanted)


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
