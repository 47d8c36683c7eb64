"""Accuracy of labels: the answer names the reference's label."""

from __future__ import annotations

from tuiftune.data.labels import as_label
from tuiftune.evaluate.scorers.base import Pair, Scorer, each


def score(pair: Pair) -> float:
    """Return 1 if both are the same label, without case and surrounding punctuation."""
    return float(as_label(pair.answer) == as_label(pair.reference))


ACCURACY = Scorer(
    key="accuracy",
    order=20,
    name="accuracy",
    does="the right label",
    kind="rate",
    parts=each(score),
    tasks=frozenset({"labels"}),
    leads=frozenset({"labels"}),
)
