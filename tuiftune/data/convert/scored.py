"""Chosen and rejected answers that come with scores, which may contradict their names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuiftune.data.detect import thumbs
from tuiftune.data.detect.formats import ColumnsError
from tuiftune.data.detect.names import CHOSEN, REJECTED
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tuiftune.data.read.json_rows import Row

_SCORES = ("score", "rating", "reward", "avg_rating", "overall_score", "quality", "grade")
CONTRADICTED = "rows whose rejected answer has the higher score are dropped"


def scored_sides(
    sample: list[Row], first: Row
) -> tuple[str, Callable[[Row, Counter[str]], list[Row]]] | None:
    """A chosen and a rejected answer, each with a score. A row whose scores say the opposite is dropped.

    ColumnsError where most rows are such: then the names or the scores mean something else.
    """
    by_key = {thumbs.key(name): name for name in reversed(first)}
    sides = [next((by_key[name] for name in names if name in by_key), None) for names in (CHOSEN, REJECTED)]
    if None in sides:
        return None
    found = (
        [by_key.get(key) for key in keys]
        for word in _SCORES
        for keys in zip(
            *(_keys(str(side), plain, word) for side, plain in zip(sides, _PLAIN, strict=True)), strict=True
        )
    )
    scores = next(([str(name) for name in pair] for pair in found if all(pair)), None)
    if scores is None:
        return None
    known = [pair for row in sample if (pair := _pair(row, scores)) is not None]
    if not known:
        return None
    higher, lower = (printable(name)[:40] for name in scores)
    if sum(one < other for one, other in known) > 0.5 * len(known):
        raise ColumnsError(
            f'"{lower}" is above "{higher}" in most rows: the scores contradict chosen and rejected',
            remedy="swap the columns of the answers, or drop the scores if a lower one is better",
        )

    def rows(row: Row, lost: Counter[str]) -> list[Row]:
        pair = _pair(row, scores)
        if pair is not None and pair[0] < pair[1]:
            lost[CONTRADICTED] += 1
            return []
        return [{name: value for name, value in row.items() if name not in scores}]

    return f'"{higher}" and "{lower}" are the scores of the two answers', rows


_PLAIN = ("chosen", "rejected")


def _keys(side: str, plain: str, word: str) -> list[str]:
    """Names of a side's score, in the same order for both sides."""
    key = thumbs.key(side)
    return [f"{stem}_{word}" for stem in (key, plain)] + [f"{word}_{stem}" for stem in (key, plain)]


def _pair(row: Row, scores: list[str]) -> tuple[float, float] | None:
    one, other = (_number(row.get(name)) for name in scores)
    return None if one is None or other is None else (one, other)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) or isinstance(value, bool) else number
