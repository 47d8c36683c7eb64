"""1 for the reference answer, whatever the white space; else 0."""

from __future__ import annotations

from unicodedata import normalize

from tuiftune.rewards.base import Reward, each


def _words(text: str) -> list[str]:
    """Words with accents encoded one way, whichever the tokenizer and the data have."""
    return normalize("NFC", text).split()


SHORT = 8  # words of an answer that has one right form

EXACT_MATCH = Reward(
    "exact_match",
    10,
    "1 if the answer is the reference answer, whatever the white space; else 0",
    lambda given, place: each(lambda one: _words(one.answer) == _words(one.reference) != []),
    compares=True,
    suits=lambda reference: 0 < len(reference.split()) <= SHORT and "\n" not in reference.strip(),
)
