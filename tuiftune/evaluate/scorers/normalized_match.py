"""Exact match after normalization: without case, punctuation, English articles and extra white space."""

from __future__ import annotations

import re
import string

from tuiftune.data.chat.reasoning import without
from tuiftune.evaluate.scorers.base import Pair, Scorer, each

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKS = str.maketrans("", "", string.punctuation)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_POINT = re.compile(r"(?<=\d)[.,](?=\d)|(?<!\w)\.(?=\d)")
_MINUS = re.compile(r"(?<![\w.)\]])-(?=[\d.])")
_KEPT = str.maketrans({"\ue000": ".", "\ue001": "-"})


def normalized(text: str) -> str:
    """Return a text as SQuAD compares answers: lower case, no punctuation, no articles, single spaces.

    Unlike there, the decimal point and the minus of a number stay: 3.5 is not 35, and -5 is not 5.
    """
    numbers = _POINT.sub("\ue000", _THOUSANDS.sub("", text.casefold().replace("\u2212", "-")))
    bare = _MINUS.sub("\ue001", numbers).translate(_MARKS).translate(_KEPT)
    plain = " ".join(_ARTICLES.sub(" ", bare).split())
    return plain or " ".join(text.casefold().split())  # "A" of four choices, or a sign, is no article or mark


def score(pair: Pair) -> float:
    """Return 1 for a match after normalization."""
    return float(normalized(pair.answer) == normalized(without(pair.reference)))


NORMALIZED_MATCH = Scorer(
    key="normalized_match",
    order=15,
    name="normalized match",
    does="equal without case, punctuation and articles",
    kind="rate",
    parts=each(score),
    tasks=frozenset({"short"}),
    leads=frozenset({"short"}),
    source="Rajpurkar et al. 2016, SQuAD, arXiv:1606.05250",
)
