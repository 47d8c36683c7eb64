"""JSON validity: the whole answer parses as a JSON object or list."""

from __future__ import annotations

from tuiftune.evaluate import parsed
from tuiftune.evaluate.scorers.base import Pair, Scorer, each


def score(pair: Pair) -> float:
    """Return 1 for an answer that is JSON and nothing else."""
    return float(parsed.whole_json(pair.answer) is not None)


JSON_VALID = Scorer(
    key="json_valid",
    order=51,
    name="valid JSON",
    does="the whole answer is a JSON object or list",
    kind="rate",
    parts=each(score),
    tasks=frozenset({"json"}),
    source="RFC 8259",
)
