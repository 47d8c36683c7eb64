"""Rules on reinforcement learning: rewards without a difference, growing answers, a base model left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import percent
from tuiftune.runs.health.preferences import levels
from tuiftune.runs.health.remark import Remark, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

REWARD, SAME, LENGTH, KL = "reward", "frac_reward_zero_std", "completions/mean_length", "kl"
EQUAL = 50  # steps in a row without any difference
LEAST = 20  # steps before a course can be told from its noise
GROWN = 2.0  # times the length at the start, while the eval reward does not rise
FAR = 10.0  # nats: the KL divergence of a model that has left its base


def _no_signal(state: RunState, planned: Planned) -> Iterator[Remark]:
    values = state.curves[SAME].values()[-EQUAL:]
    if len(values) >= EQUAL and min(values) >= 1.0:
        yield Remark(
            "no_signal",
            "error",
            "no signal",
            f"in {EQUAL} steps all answers to a prompt got the same reward: nothing is learned",
            "use an easier reward, or one for parts of the answer, or prompts that the model sometimes "
            "gets right",
            "the advantage of an answer is its reward over the mean of its prompt's answers, here always 0",
        )


def _grows(state: RunState, planned: Planned) -> Iterator[Remark]:
    lengths, rewards = levels(state, LENGTH), levels(state, REWARD)
    told = [value for _, value in state.curves["eval_reward"].points()]
    gained = len(told) < 2 or told[-1] > told[0]
    if lengths[-1] > GROWN * lengths[0] and rewards[-1] > rewards[0] and not gained:
        yield Remark(
            "reward_by_length",
            "warning",
            "reward by length",
            f"answers grew from {lengths[0]:.0f} to {lengths[-1]:.0f} tokens; the eval reward did not rise",
            "add the reward length with a small weight, or lower method.max_completion_length",
            f"answers are more than {GROWN:g} times as long as at the start",
        )


def _far(state: RunState, planned: Planned) -> Iterator[Remark]:
    values = levels(state, KL)
    if values and values[-1] > FAR:
        yield Remark(
            "kl_high",
            "warning",
            "far from the base model",
            f"the KL divergence from the base model is {values[-1]:.3g}",
            "raise method.beta, or lower training.learning_rate",
            f"above {FAR:g} nats a model has drifted too far from its base",
        )


def _dull(state: RunState, planned: Planned) -> Iterator[Remark]:
    values = levels(state, SAME)
    if 0.8 <= values[-1] < 1.0:
        yield Remark(
            "little_signal",
            "info",
            "little signal",
            f"{percent(values[-1])} of the prompts got the same reward for all of their answers",
            "drop prompts that are always or never answered correctly",
            "such prompts cost time without a training signal",
        )


def _long_enough(state: RunState, planned: Planned) -> bool:
    return len(state.curves[SAME]) >= LEAST


def _rewarded(state: RunState, planned: Planned) -> bool:
    return state.end is None and bool(state.curves[SAME].values())


RULES = (
    Rule("rewards", _no_signal, _long_enough, _rewarded),
    Rule("rewards", _dull, _long_enough, _rewarded),
    Rule("answer length", _grows, _long_enough, _rewarded),
    Rule("KL divergence", _far, _long_enough, _rewarded),
)
