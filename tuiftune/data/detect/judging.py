"""Columns that rate the answers, reported because nothing reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune.data.detect import thumbs
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections import Counter

_VOTES = re.compile(
    r"(?:^|_)(?:(?:up|down)_?votes?|votes?|vote_count|(?:dis)?likes|thumbs_(?:up|down)|ups|downs)$"
)
_HARM = re.compile(
    r"(?:^|_)(?:toxic|toxicity|severe_toxicity|nsfw|hate|hateful|hate_speech|harm|harmful|harmfulness|unsafe|safe|"
    r"safety|offensive|obscene|insult|threat|profanity|identity_attack|sexual|violence|violent|spam|flagged|"
    r"jailbreak|moderation)(?:_(?:score|label|flag|prob|probability))?$"
)
_GRADE = re.compile(
    r"(?:^|_)(?:score|rating|reward|grade|quality|helpfulness|correctness|confidence|preference)$"
)


def judging(counts: Counter[str], sample: list[dict[str, Any]]) -> list[str]:
    """A sentence for each kind of such columns among `counts`, those not used, from which it takes them out.
    Grades are told with their range in the rows of the sample.
    """
    votes = [name for name in counts if _VOTES.search(thumbs.key(name))]
    harm = [name for name in counts if _HARM.search(thumbs.key(name))]
    grades = {
        name: span
        for name in counts
        if _GRADE.search(thumbs.key(name)) and (span := _span([row.get(name) for row in sample]))
    }
    said = []
    if votes:
        said.append(
            f"{_those(votes, counts)}: votes on the answers, not used: the worst is trained like the best"
        )
    if harm:
        said.append(f"{_those(harm, counts)}: marks harmful answers, not used: they are trained too")
    for name, (low, high) in grades.items():
        which, between = _those([name], counts), f"{low:g} to {high:g} in the rows checked"
        said.append(f"{which}: grades the answers ({between}), not used: the worst is trained like the best")
    for name in {*votes, *harm, *grades}:
        del counts[name]
    return said


def counted(name: str, count: int) -> str:
    """A column with the rows that have a value there."""
    return f"{printable(name)[:40]} ({count:,} {'row' if count == 1 else 'rows'})"


def _those(names: list[str], counts: Counter[str]) -> str:
    return ", ".join(counted(name, counts[name]) for name in names)


def _span(values: list[Any]) -> tuple[float, float] | None:
    """The lowest and highest of numbers that differ; None of anything else."""
    try:
        numbers = [float(value) for value in values if value not in (None, "")]
    except (TypeError, ValueError, OverflowError):
        return None
    return (min(numbers), max(numbers)) if numbers and min(numbers) < max(numbers) else None
