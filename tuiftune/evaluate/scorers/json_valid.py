"""JSON validity: the whole answer parses as a JSON object or list."""

from __future__ import annotations

import math

from tuiftune.evaluate import parsed
from tuiftune.evaluate.scorers.base import Pair, Scorer, each


def score(pair: Pair) -> float:
    """Return 1 for an answer that is JSON and nothing else. NaN and Infinity, which Python reads, are not."""
    value = parsed.whole_json(pair.answer)
    leaves = parsed.fields(value).values()
    return float(value is not None and all(math.isfinite(one) for one in leaves if isinstance(one, float)))


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
