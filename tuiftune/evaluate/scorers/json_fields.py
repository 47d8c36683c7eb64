"""Field accuracy of JSON: the share of fields, of answer and reference together, that agree."""

from __future__ import annotations

from tuiftune.evaluate import parsed
from tuiftune.evaluate.scorers.base import Pair, Scorer, each


def score(pair: Pair) -> float | None:
    """Return the share of equal fields, 0 for an answer without JSON; None if the reference has none."""
    wanted = parsed.some_json(pair.reference)
    if wanted is None:
        return None
    given = parsed.some_json(pair.answer)
    if given is None:
        return 0.0
    first, second = parsed.fields(wanted), parsed.fields(given)
    equal = sum(key in second and parsed.same(second[key], value) for key, value in first.items())
    return float(equal / len(first.keys() | second.keys()))


JSON_FIELDS = Scorer(
    key="json_fields",
    order=50,
    name="field accuracy",
    does="share of JSON fields that agree",
    kind="mean",
    parts=each(score),
    tasks=frozenset({"json"}),
    leads=frozenset({"json"}),
)
