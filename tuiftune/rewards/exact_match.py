"""1 for the reference answer, whatever the white space; else 0."""

from __future__ import annotations

from tuiftune.rewards.base import Reward, each

SHORT = 8  # words of an answer that has one right form

EXACT_MATCH = Reward(
    "exact_match",
    10,
    "1 if the answer is the reference answer, whatever the white space; else 0",
    lambda given, place: each(lambda one: one.answer.split() == one.reference.split()),
    compares=True,
    suits=lambda reference: 0 < len(reference.split()) <= SHORT and "\n" not in reference.strip(),
)
