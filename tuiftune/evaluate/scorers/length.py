"""Length of answers, in words: neither better nor worse, but a change of it explains other changes."""

from __future__ import annotations

from tuiftune.evaluate.scorers.base import Pair, Scorer, each
from tuiftune.evaluate.task import KINDS


def score(pair: Pair) -> float:
    """Return the words of an answer."""
    return float(len(pair.answer.split()))


LENGTH = Scorer(
    key="length",
    order=90,
    name="length",
    does="words of an answer",
    kind="mean",
    parts=each(score),
    better="",
    unit="words",
    tasks=frozenset(KINDS),
    packages=("scipy",),
)
