"""Tool-call match: the same calls with the same arguments, in any order and with keys in any order."""

from __future__ import annotations

from tuiftune.evaluate import parsed
from tuiftune.evaluate.scorers.base import Pair, Scorer, each


def score(pair: Pair) -> float | None:
    """Return 1 if the calls are those of the reference; None if the reference calls nothing."""
    wanted = parsed.tool_calls(pair.reference)
    return None if wanted is None else float(parsed.tool_calls(pair.answer) == wanted)


TOOL_CALL = Scorer(
    key="tool_call",
    order=40,
    name="tool-call match",
    does="the same tools with the same arguments",
    kind="rate",
    parts=each(score),
    tasks=frozenset({"tool_call"}),
    leads=frozenset({"tool_call"}),
)
