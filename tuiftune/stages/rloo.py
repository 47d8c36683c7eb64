"""REINFORCE leave-one-out: several answers to each prompt, each compared with the mean of the others."""

from __future__ import annotations

from tuiftune import sources
from tuiftune.stages.base import AdapterRate
from tuiftune.stages.options import BETA
from tuiftune.stages.reinforcement import (
    GENERATIONS,
    MAX_COMPLETION_LENGTH,
    REWARDS,
    TEMPERATURE,
    Reinforcement,
)
from tuiftune.stages.sft import ANSWERED
from tuiftune.techniques.base import Fact

RLOO = Reinforcement(
    key="rloo",
    name="RLOO",
    order=90,
    does="REINFORCE leave-one-out",
    options=(BETA, REWARDS, GENERATIONS, MAX_COMPLETION_LENGTH, TEMPERATURE),
    formats=ANSWERED,
    needs="a prompt a row",
    remedy="name the columns under data.columns, e.g. {prompt: question, completion: answer}",
    defaults={
        "training.epochs": 1.0,
        "training.effective_batch": 64,
        "training.schedule": "constant_with_warmup",
        "training.divergence_patience": 0,
        "training.early_stopping": 0,
    },
    values={
        "beta": Fact(
            0.05, "as in TRL: rewards are lessened by how far the model is from its base", sources.RLOO.short
        )
    },
    adapter_rate=AdapterRate(
        1e-5,
        (5e-6, 4e-5),
        "reinforcement learning moves little of a model, and breaks it at higher rates",
        sources.together(sources.NO_REGRET, sources.RLOO),
    ),
    joins=False,
    answers=False,
    likelihood=False,
    rollouts=True,
    advice="Rewards sharpen what a model can already do now and then: some of its answers have to be right.",
)
