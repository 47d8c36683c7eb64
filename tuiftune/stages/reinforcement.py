"""What stages of reinforcement learning share: answers are sampled, and rewards say which were better."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tuiftune import rewards, sources
from tuiftune.errors import UserError
from tuiftune.options import Option, PositiveInt, at_most
from tuiftune.stages.base import AdapterRate, Stage
from tuiftune.stages.options import BETA
from tuiftune.stages.sft import ANSWERED, PROMPTS
from tuiftune.techniques.base import Fact

REWARDS = Option(
    "rewards",
    Annotated[list[dict[str, Any]], Field(min_length=1)],
    [{"reward": "exact_match"}],
    "what an answer is worth: rewards with their weights and parameters, such as "
    "{reward: numeric_match, weight: 1.0}; one of " + ", ".join(rewards.every()),
    label="rewards",
    choices=tuple([{rewards.NAME: key}] for key, one in rewards.every().items() if one.suits is not None),
)
GENERATIONS = Option(
    "generations",
    Annotated[int, Field(ge=2), at_most(1024)],
    8,
    "answers sampled for each prompt; the effective batch counts answers, and is a multiple of it",
    label="answers per prompt",
    choices=(4, 8, 16, 32),
    source=sources.TRL_GRPO.short,
)
MAX_COMPLETION_LENGTH = Option(
    "max_completion_length",
    PositiveInt,
    256,
    "tokens that an answer may have while training",
    label="longest answer",
    choices=(64, 128, 256, 512, 1024, 2048),
)
TEMPERATURE = Option(
    "temperature",
    Annotated[float, Field(gt=0, le=10)],
    1.0,
    "how varied the sampled answers are",
    label="temperature",
    choices=(0.7, 0.9, 1.0, 1.2),
    source=sources.TRL_GRPO.short,
)
ADVICE = "Rewards sharpen what a model can already do now and then: some of its answers have to be right."


class Reinforcement(Stage):
    """A stage whose rows are prompts, with reference answers if a reward compares with them."""

    __slots__ = ()

    def usual(self, option: str, *, adapted: bool) -> Fact:
        found = self.values[option]
        if option != BETA.key or adapted or not found.value:
            return found
        why = "with all weights trained, a reference would be a second model in memory"
        return Fact(0.0, why, found.source)

    def check_method(self, method: Any, *, adapted: bool) -> None:
        rewards.made(method.rewards)
        if not adapted and method.beta not in ("auto", 0):
            raise UserError(
                f"with all weights trained, {self.name} has no reference model for a beta of {method.beta:g}",
                place=f"method.{BETA.key}",
                remedy="use 0, or train adapters: method.technique: lora",
            )


def reinforcement(
    key: str,
    name: str,
    order: int,
    *,
    does: str,
    beta: float,
    why_beta: str,
    source: sources.Source,
    own: frozenset[str] = frozenset(),
) -> Reinforcement:
    """A stage that TRL trains on the rewards of sampled answers."""
    return Reinforcement(
        key=key,
        name=name,
        order=order,
        does=does,
        options=(BETA, REWARDS, GENERATIONS, MAX_COMPLETION_LENGTH, TEMPERATURE),
        measures=(REWARDS.key,),
        formats=ANSWERED | PROMPTS,
        own=own,
        needs="a prompt a row",
        remedy="name the columns under data.columns, e.g. {prompt: question, completion: answer}",
        defaults={
            "training.epochs": 1.0,
            "training.effective_batch": 64,
            "training.schedule": "constant_with_warmup",
            "training.divergence_patience": 0,
            "training.early_stopping": 0,
        },
        values={"beta": Fact(beta, why_beta, source.short)},
        adapter_rate=AdapterRate(
            1e-5,
            (5e-6, 4e-5),
            "reinforcement learning moves little of a model, and breaks it at higher rates",
            sources.together(sources.NO_REGRET, source),
        ),
        joins=False,
        answers=False,
        likelihood=False,
        rollouts=True,
        advice=ADVICE,
    )
