"""TRL's trainers of reinforcement learning, over prompts that are tokens already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from trl import GRPOTrainer, RLOOTrainer

from tuiftune import rewards
from tuiftune.data.chat.reasoning import without
from tuiftune.engine.evaluation import answers
from tuiftune.engine.stages.reward_model import loaded
from tuiftune.engine.stages.sampled import COUNTERS, Sampled, check_reach
from tuiftune.errors import UserError
from tuiftune.evaluate.contender import Question
from tuiftune.figures import plural
from tuiftune.rewards.base import Asked, Made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REWARD = "reward"


class Rewarded(Sampled):
    """The evaluation is of greedy answers to the held-out prompts. Its loss is what they lack of the most
    that the rewards give.
    """

    counters = (*COUNTERS, "_logs", "_pending_extra_logs", "_pending_metrics")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.begin(kwargs["model"])
        preset = self._settings.preset
        device, dtype = kwargs["args"].device, getattr(torch, preset.model.dtype)
        self._made = tuple(
            loaded(one, self.run_tokenizer.tokenizer, device, dtype)
            for one in rewards.made(preset.method.rewards)
        )
        self._rows_evaluated = preset.evaluation.rows
        self.measures = (REWARD, *(f"rewards/{name}/mean" for name in _names(self._made)))
        rows, model, arguments = kwargs["train_dataset"], kwargs["model"], kwargs["args"]
        _check_sizes(rows, model, arguments)
        kwargs["train_dataset"] = self.named(rows, "")
        kwargs["reward_funcs"] = [
            self._function(name, one) for name, one in zip(_names(self._made), self._made, strict=True)
        ]
        super().__init__(*args, **kwargs)

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        self.before_answers = torch.get_rng_state(), gpus, self.state.num_input_tokens_seen
        return super()._generate_and_score_completions(inputs)

    def _calculate_rewards(self, inputs: Any, prompts: Any, *given: Any) -> Any:
        if not self.rehearses:
            return super()._calculate_rewards(inputs, prompts, *given)
        ones = torch.arange(len(prompts) * len(self._made), device=self.args.device) % 2
        return ones.reshape(len(prompts), -1).float()

    def weight(self, inputs: Any) -> Any:
        """Prompts of a batch."""
        return torch.tensor(len(inputs))

    def rewarded(self, progress: Callable[[int, int], None]) -> Iterator[tuple[float, dict[str, float]]]:
        """(what lacks of the most reward, the rewards) of greedy answers to this process's held-out rows."""
        held_out = self.eval_dataset.select(range(min(len(self.eval_dataset), self._rows_evaluated)))
        rows = [held_out[place] for place in range(self.group.rank, len(held_out), self.group.size)]
        questions = [
            Question(_text(row["text"]), row["prompt_ids"], wanted(row["reference"]), 0) for row in rows
        ]
        written = answers.generate(
            self.model,
            questions,
            self.run_tokenizer,
            max_new_tokens=self.args.max_completion_length,
            autocast=self.accelerator.autocast,
            progress=lambda done: progress(done, len(questions)),
        )
        end = self.run_tokenizer.stop_tokens()[:1]
        asked = [
            Asked(one.text, answer.answer, one.reference, len(ids), (*one.tokens, *ids, *end))
            for one, answer in zip(questions, written, strict=True)
            for ids in (self._tokens_of(answer.answer),)
        ]
        columns = [
            rewards.scores(name, one, asked) for name, one in zip(_names(self._made), self._made, strict=True)
        ]
        most = sum(max(0.0, one.weight) for one in self._made)
        for found in zip(*columns, strict=True):
            total = sum(one.weight * value for one, value in zip(self._made, found, strict=True))
            each = zip(_names(self._made), found, strict=True)
            yield most - total, {REWARD: total} | {f"rewards/{name}/mean": value for name, value in each}

    def _tokens_of(self, answer: str) -> list[int]:
        return list(self.run_tokenizer.tokenizer(answer, add_special_tokens=False)["input_ids"])

    def _function(self, name: str, made: Made) -> Callable[..., list[float]]:
        def scored(
            *, completion_ids: Any, prompt_ids: Any, text: Any, reference: Any, **rest: Any
        ) -> list[float]:
            asked = [
                Asked(
                    _text(prompt),
                    self.run_tokenizer.answer(ids).answer,
                    wanted(right),
                    len(ids),
                    (*given, *ids),
                )
                for prompt, given, ids, right in zip(text, prompt_ids, completion_ids, reference, strict=True)
            ]
            return rewards.scores(name, made, asked)

        scored.__name__ = name
        return scored


class GroupTrainer(Rewarded, GRPOTrainer):
    """TRL's group relative policy optimization."""


class LeaveOneOutTrainer(Rewarded, RLOOTrainer):
    """TRL's REINFORCE leave-one-out."""


def wanted(reference: Any) -> str:
    """A row's reference answer as rewards compare it: without its reasoning, as they get what was written."""
    return without(_text(reference))


def _names(made: tuple[Made, ...]) -> list[str]:
    """The names of rewards; of several with one name the later ones are numbered."""
    found: list[str] = []
    for one in made:
        again = sum(name.split("#")[0] == one.name for name in found)
        found.append(f"{one.name}#{again + 1}" if again else one.name)
    return found


def _text(given: Any) -> str:
    return bytes(given).decode()


def _check_sizes(rows: Any, model: Any, arguments: Any) -> None:
    """UserError if prompts and answers don't fit the model, or prompts are fewer than a step takes."""
    prompts = arguments.generation_batch_size // arguments.num_generations
    if len(rows) < prompts:
        raise UserError(
            f"{plural(len(rows), 'prompt')} to train on, and a step takes {prompts}",
            place="training.effective_batch",
            remedy=f"{len(rows) * arguments.num_generations} at most, or give more rows",
        )
    check_reach(rows, model, arguments)
