"""Exact match: the answer is the reference, except for white space and the reference's reasoning."""

from __future__ import annotations

from tuiftune.data.chat.reasoning import matches
from tuiftune.evaluate.scorers.base import Pair, Scorer, each
from tuiftune.evaluate.task import KINDS


def score(pair: Pair) -> float:
    """Return 1 for a match. The rule that every run's before and after are compared by."""
    return float(matches(pair.answer, pair.reference))


EXACT_MATCH = Scorer(
    key="exact_match",
    order=10,
    name="exact match",
    does="equal to the reference answer except for white space",
    kind="rate",
    parts=each(score),
    tasks=frozenset(KINDS),
)
