"""1 for the reference answer, whatever the white space; else 0."""

from __future__ import annotations

from tuiftune.rewards.base import Reward, each

EXACT_MATCH = Reward(
    "exact_match",
    10,
    "1 if the answer is the reference answer, whatever the white space; else 0",
    lambda given, place: each(lambda one: one.answer.split() == one.reference.split()),
    compares=True,
)
