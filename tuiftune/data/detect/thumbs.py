"""Judgements of an answer, whatever their type: what is a thumb up, what a thumb down."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tuiftune.data.read.cells import structured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# (down, up), lower case; values of one column must all be of one scale.
SCALES = (
    ("false", "true"),
    ("0", "1"),
    ("-1", "1"),
    ("no", "yes"),
    ("n", "y"),
    ("f", "t"),
    ("down", "up"),
    ("bad", "good"),
    ("negative", "positive"),
    ("dislike", "like"),
    ("disliked", "liked"),
    ("undesirable", "desirable"),
    ("undesired", "desired"),
    ("rejected", "accepted"),
    ("reject", "accept"),
    ("rejected", "chosen"),
    ("rejected", "approved"),
    ("disapproved", "approved"),
    ("flagged", "approved"),
    ("incorrect", "correct"),
    ("wrong", "right"),
    ("fail", "pass"),
    ("failed", "passed"),
    ("unhelpful", "helpful"),
    ("downvote", "upvote"),
    ("-", "+"),
    ("👎", "👍"),
)
NEUTRAL = frozenset(
    ("neutral", "none", "unknown", "n/a", "nan", "null", "", "tie", "ignore", "ignored", "skip", "skipped")
)
# Column names that hold a rating of an answer. Those of `LABELS` may hold a class instead.
LABELS = ("label", "labels")
VERDICTS = (
    "kto_tag", "kto_label", "desirable", "is_desirable", "thumbs_up", "thumb_up", "thumbs", "thumb",
    "thumbs_down", "feedback", "user_feedback", "human_feedback", "vote", "votes", "upvoted", "liked",
    "like", "is_liked", "is_good", "good", "accepted", "is_accepted", "accept", "approved", "is_approved",
    "is_chosen", "is_preferred", "preferred", "helpful", "is_helpful", "rejected", "is_rejected",
    "downvoted", "disliked", "is_bad", "correct", "is_correct", "acceptable", "verdict", "judgement",
    "judgment", "reaction", "incorrect", "is_incorrect", "is_wrong", "hallucinated", "is_hallucinated",
)  # fmt: skip
GRADES = (
    "rating", "ratings", "user_rating", "human_rating", "stars", "star_rating", "score", "grade", "quality",
    "reward", "helpfulness", "correctness", "rank", "ranking", "overall_score", "quality_score",
)  # fmt: skip
_DOWN_NAMES = re.compile(
    r"(?:^|_)(?:thumbs?_down|downvoted?|is_bad|bad|disliked?|undesirable|rejected|incorrect|"
    r"wrong|hallucinated)$"
)
_DROP = re.compile(r"[\s_\-]*thumbs?[\s_\-]*|[\s_\-]*votes?$")
MOST_GRADES = 11
GRADE_LENGTH = 20
# Scales whose two words judge an answer under any name; a class or a fact may be no or 0 as well.
_ANYTHING = ("false", "0", "-1", "no", "n", "f", "down", "negative", "-")
JUDGING = frozenset(scale for scale in SCALES if scale[0] not in _ANYTHING)
_JUDGED_DOWN = frozenset(down for down, _ in JUDGING)
_UP, _DOWN = frozenset(up for _, up in SCALES), frozenset(down for down, _ in SCALES)


def plain(value: Any) -> str:
    """A value in the spelling of SCALES: "TRUE", 1.0, "thumbs_up" → "true", "1", "up"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip().lower()
    if text.startswith("+") and len(text) > 1:
        text = text[1:]
    if re.fullmatch(r"-?\d+\.0+", text):
        text = text.partition(".")[0]
    return _DROP.sub("", text) if "thumb" in text else text


def scale_of(values: Iterable[Any]) -> tuple[str, str] | None:
    """(down, up) of a column whose values all are one or the other, a neutral one left aside."""
    if not values:
        return None
    said: set[str] = set()
    for value in values:
        if isinstance(value, list | dict):
            return None
        said.add(plain(value))
        if len(said) > 6:
            return None
    said -= NEUTRAL
    return next((scale for scale in SCALES if said and said <= set(scale)), None)


def is_up(value: Any, name: str = "") -> bool | None:
    """Whether a value is a thumb up; None where it is neither. A column named thumbs_down is read the other
    way round.
    """
    said = plain(value) if value is not None and not isinstance(value, list | dict) else ""
    if said not in _UP and said not in _DOWN:
        return None
    return (said in _UP) is not bool(_DOWN_NAMES.search(key(name)))


def key(name: str) -> str:
    """A column's name in the spelling of `VERDICTS` and `GRADES`: "Thumbs Up" → "thumbs_up"."""
    return re.sub(r"[\s\-.]+", "_", str(name).strip().lower())


def leaves(value: Any, name: str, depth: int = 4) -> Iterator[tuple[str, Any]]:
    """(key, value) of all that an object, a list or their JSON holds; the column itself of a plain value."""
    if isinstance(value, str):
        value = structured(value) or value
    if isinstance(value, dict) and depth:
        for inner, held in value.items():
            yield from leaves(held, inner, depth - 1)
    elif isinstance(value, list) and depth:
        for held in value:
            yield from leaves(held, name, depth - 1)
    elif not isinstance(value, dict | list):
        yield key(name), value


def turned_down(value: Any, name: str) -> bool:
    """Whether a turn's own judgement, or any inside it, is a thumb down: of a grade, 0 and -1 are."""
    return any(
        is_up(held, inner) is False
        for inner, held in leaves(value, name)
        if inner in VERDICTS or inner in GRADES or inner in LABELS
    )


def may_judge(value: Any, name: str) -> bool:
    """Whether a value says something bad of an answer although its column isn't known for it. Asked of every
    row.
    """
    if isinstance(value, dict):
        return any(may_judge(held, inner) for inner, held in value.items())
    if isinstance(value, list):
        return any(may_judge(held, name) for held in value if isinstance(held, dict))
    if isinstance(value, str) and (len(value) > GRADE_LENGTH or value.strip().lower() in _JUDGED_DOWN):
        return len(value) <= GRADE_LENGTH
    return _judged_name(name) and is_up(value, name) is False


@lru_cache(4096)
def _judged_name(name: str) -> bool:
    return key(name) in VERDICTS or key(name) in GRADES


def judges(values: Iterable[Any]) -> bool:
    """Whether values are two words that judge an answer whatever their column is called (accept, reject)."""
    return scale_of(values) in JUDGING and len({plain(value) for value in values} - NEUTRAL) > 1


def thumbs_of_several_scales(values: Iterable[Any]) -> bool:
    """Whether values are all thumbs up or down, some down, but of no one scale (true, "no", 0)."""
    said = {plain(value) for value in values if not isinstance(value, list | dict)} - NEUTRAL
    return bool(said & _DOWN) and said <= _UP | _DOWN and scale_of(values) is None


def grades_in_words(values: list[Any]) -> bool:
    """Whether values are a few short words, each for many rows: low, medium, high; 1 star, 5 stars; A, B."""
    said = {plain(value) for value in values if isinstance(value, str) and len(value) <= GRADE_LENGTH}
    return len(said) > 1 and len(said) <= min(MOST_GRADES, len(values) // 2)


def grades(values: Iterable[Any]) -> bool:
    """Whether the values are a few grades: at least two different, at most eleven, all numbers or all of one
    scale.
    """
    said: set[float] = set()
    for value in values:
        try:
            said.add(float(value))
        except (TypeError, ValueError, OverflowError):
            return False
        if len(said) > MOST_GRADES:
            return False
    return len(said) > 1
