"""Reward models: a base model that answers with one number, higher for the better of two answers."""

from __future__ import annotations

from tuiftune import sources
from tuiftune.stages.base import AdapterRate, Stage
from tuiftune.stages.dpo import NEEDS_PAIRS, PAIRS, REMEDY

REWARD = Stage(
    key="reward",
    name="Reward model",
    order=40,
    does="training a reward model",
    formats=PAIRS,
    needs=NEEDS_PAIRS,
    remedy=REMEDY,
    defaults={"training.epochs": 1.0},
    adapter_rate=AdapterRate(
        1e-4,
        (5e-5, 2e-4),
        "the head is new and trained from nothing; full fine-tuning takes a tenth",
        sources.together(sources.NO_REGRET, sources.INSTRUCT_GPT),
    ),
    joins=False,
    answers=False,
    likelihood=False,
    sequences=2,
    scores=True,
    advice="A reward model scores answers and writes none: it is a judge, or the reward of another run.",
)
