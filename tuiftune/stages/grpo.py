"""Group relative policy optimization: several answers to a prompt, those above their mean made likelier."""

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

GRPO = Reinforcement(
    key="grpo",
    name="GRPO",
    order=80,
    does="group relative policy optimization",
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
    values={"beta": Fact(0.0, "without a reference, as most runs of 2025 and later", sources.GRPO.short)},
    adapter_rate=AdapterRate(
        1e-5,
        (5e-6, 4e-5),
        "reinforcement learning moves little of a model, and breaks it at higher rates",
        sources.together(sources.NO_REGRET, sources.GRPO),
    ),
    joins=False,
    answers=False,
    likelihood=False,
    rollouts=True,
    advice="Rewards sharpen what a model can already do now and then: some of its answers have to be right.",
)
