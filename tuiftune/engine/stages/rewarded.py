"""TRL's trainers of reinforcement learning, over prompts that are tokens already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from trl import GRPOTrainer, RLOOTrainer

from tuiftune import rewards
from tuiftune.engine.evaluation import answers
from tuiftune.engine.stages.reward_model import loaded
from tuiftune.errors import UserError
from tuiftune.evaluate.contender import Question
from tuiftune.rewards.base import Asked, Made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trl import GRPOTrainer as Mixin
else:
    Mixin = object  # before one of TRL's trainers

REWARD = "reward"


class Rewarded(Mixin):
    """Answers are sampled by transformers, and end where the template's answers end.

    The evaluation is of greedy answers to the held-out prompts. Its loss is what they lack of the most that
    the rewards give.
    """

    counters = ("_metrics", "_logs", "_pending_extra_logs", "_pending_metrics")
    lengths = ("prompt_ids",)
    against_base = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ranked: list[bool] = []
        self._seen: int | None = None
        preset = self._settings.preset
        device, dtype = kwargs["args"].device, getattr(torch, preset.model.dtype)
        self._made = tuple(
            loaded(one, self.tokeniser.tokenizer, device, dtype)
            for one in rewards.made(preset.method.rewards)
        )
        self._rows_evaluated = preset.evaluation.rows
        self.measures = (REWARD, *(f"rewards/{name}/mean" for name in _names(self._made)))
        rows, model, arguments = kwargs["train_dataset"], kwargs["model"], kwargs["args"]
        _check_sizes(rows, model, arguments)
        self._prompts = rows["prompt_ids"]
        kwargs["train_dataset"] = rows.add_column("prompt", [str(number) for number in range(len(rows))])
        model.generation_config.eos_token_id = self.tokeniser.stop_tokens()
        kwargs["reward_funcs"] = [
            self._function(name, one) for name, one in zip(_names(self._made), self._made, strict=True)
        ]
        super().__init__(*args, **kwargs)

    def tokens(self, inputs: Any) -> int:
        """Tokens of prompts and answers since last asked: those of a step are known when it is done."""
        seen = int(self.state.num_input_tokens_seen)
        before, self._seen = self._seen, seen
        return 0 if before is None else max(0, seen - before)

    def weight(self, inputs: Any) -> Any:
        """Prompts of a batch."""
        return torch.tensor(len(inputs))

    def rewarded(self, progress: Callable[[int, int], None]) -> Iterator[tuple[float, dict[str, float]]]:
        """(what lacks of the most reward, the rewards) of greedy answers to this process's held-out rows."""
        held_out = self.eval_dataset.select(range(min(len(self.eval_dataset), self._rows_evaluated)))
        rows = [held_out[place] for place in range(self.group.rank, len(held_out), self.group.size)]
        questions = [
            Question(_text(row["text"]), row["prompt_ids"], _text(row["reference"]), 0) for row in rows
        ]
        written = answers.generate(
            self.model,
            questions,
            self.tokeniser,
            max_new_tokens=self.args.max_completion_length,
            autocast=self.accelerator.autocast,
            progress=lambda done: progress(done, len(questions)),
        )
        end = self.tokeniser.stop_tokens()[:1]
        asked = [
            Asked(one.text, answer.answer, one.reference, len(ids), (*one.tokens, *ids, *end))
            for one, answer in zip(questions, written, strict=True)
            for ids in (self._tokens_of(answer.answer),)
        ]
        columns = [one.score(asked) for one in self._made]
        most = sum(max(0.0, one.weight) for one in self._made)
        for found in zip(*columns, strict=True):
            total = sum(one.weight * value for one, value in zip(self._made, found, strict=True))
            each = zip(_names(self._made), found, strict=True)
            yield most - total, {REWARD: total} | {f"rewards/{name}/mean": value for name, value in each}

    def _tokens_of(self, answer: str) -> list[int]:
        return list(self.tokeniser.tokenizer(answer, add_special_tokens=False)["input_ids"])

    def _function(self, name: str, made: Made) -> Callable[..., list[float]]:
        def scored(
            *, completion_ids: Any, prompt_ids: Any, text: Any, reference: Any, **rest: Any
        ) -> list[float]:
            asked = [
                Asked(
                    _text(prompt), self.tokeniser.answer(ids).answer, _text(wanted), len(ids), (*given, *ids)
                )
                for prompt, given, ids, wanted in zip(
                    text, prompt_ids, completion_ids, reference, strict=True
                )
            ]
            return made.score(asked)

        scored.__name__ = name
        return scored

    def _tokenize_prompts(self, prompts: list[str]) -> Any:
        return [list(self._prompts[int(number)]) for number in prompts], None, {}


class GroupTrainer(Rewarded, GRPOTrainer):
    """TRL's group relative policy optimization."""


class LeaveOneOutTrainer(Rewarded, RLOOTrainer):
    """TRL's REINFORCE leave-one-out."""


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
            f"{len(rows)} prompts are fewer than the {prompts} of a step",
            place="training.effective_batch",
            remedy=f"{len(rows) * arguments.num_generations} at most, or give more rows",
        )
    longest = max(map(len, rows["prompt_ids"]))
    reach = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if reach and longest + arguments.max_completion_length > reach:
        raise UserError(
            f"the longest prompt has {longest} tokens, and the model reads {reach}: an answer of "
            f"{arguments.max_completion_length} has no place",
            place="method.max_completion_length",
            remedy=f"{reach - longest} at most, or lower data.max_length so that long prompts are left out",
        )
