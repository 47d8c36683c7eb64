"""What trainers on answers that the model writes itself share: prompts that are tokens already."""

from __future__ import annotations

import copy
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trl.trainer.utils import RepeatSampler

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trl import GRPOTrainer as Mixin
else:
    Mixin = object  # before one of TRL's trainers


COUNTERS = ("_metrics", "_step", "_buffered_inputs", "_current_train_step_time")  # of all these trainers


class AllPrompts(RepeatSampler):
    """Every prompt once an epoch, in TRL's order. TRL leaves an incomplete last batch out: it is filled up
    with prompts from the beginning of the epoch instead, so that as many steps make an epoch as were counted.
    """

    def __init__(self, sampler: RepeatSampler) -> None:
        self._order = RepeatSampler(sampler.data_source, 1, 1, 1, sampler.shuffle, sampler.seed)
        self._batch, self._passes, self._each = (
            sampler.batch_size,
            sampler.repeat_count,
            sampler.mini_repeat_count,
        )

    def __iter__(self) -> Iterator[int]:
        order = list(self._order)
        order += itertools.islice(itertools.cycle(order), -len(order) % self._batch)
        for start in range(0, len(order), self._batch):
            for _ in range(self._passes):
                for prompt in order[start : start + self._batch]:
                    yield from itertools.repeat(prompt, self._each)

    def __len__(self) -> int:
        prompts = len(self._order)
        return (prompts + -prompts % self._batch) * self._passes * self._each


class Sampled(Mixin):
    """Answers are sampled by transformers, and end where the template's answers end."""

    lengths = ("prompt_ids",)
    against_base = ()
    generation_config: Any  # of TRL's trainers
    rehearses = False  # in a preflight check
    _seen: int | None = None
    _prompts: dict[str, list[int]]

    def begin(self, model: Any) -> None:
        """Take no more than the tokens of the chat template as the end of an answer."""
        self.ranked: list[bool] = []
        self._prompts = {}
        model.generation_config.eos_token_id = self.run_tokenizer.stop_tokens()

    def named(self, rows: Any, which: str) -> Any:
        """Rows with a column `prompt`, which names their tokens: TRL hands it from one of its steps to the
        next.
        """
        names = [f"{which}{number}" for number in range(len(rows))]
        self._prompts |= dict(zip(names, map(list, rows["prompt_ids"]), strict=True))
        return rows.add_column("prompt", names)

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        return AllPrompts(super()._get_train_sampler(*args, **kwargs))

    def tokens(self, inputs: Any) -> int:
        """Tokens of prompts and answers since last asked: those of a step are known when it is done."""
        seen = int(self.state.num_input_tokens_seen)
        before, self._seen = self._seen, seen
        return 0 if before is None else max(0, seen - before)

    @contextmanager
    def longest_answers(self) -> Iterator[None]:
        """Sample answers as long as they may be inside, and ask no reward about them."""
        kept = self.generation_config
        self.generation_config = copy.deepcopy(kept)
        self.generation_config.min_new_tokens = self.generation_config.max_new_tokens
        self.rehearses = True
        try:
            yield
        finally:
            self.generation_config, self.rehearses = kept, False

    def _tokenize_prompts(self, prompts: list[str]) -> Any:
        return [list(self._prompts[name]) for name in prompts], None, {}


def check_reach(rows: Any, model: Any, arguments: Any, whose: str = "the model") -> None:
    """UserError if the longest prompt and an answer to it don't fit a model."""
    longest = max(map(len, rows["prompt_ids"]))
    reach = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if reach and longest + arguments.max_completion_length > reach:
        raise UserError(
            f"the longest prompt has {longest} tokens, and {whose} reads {reach}: an answer of "
            f"{arguments.max_completion_length} has no place",
            place="method.max_completion_length",
            remedy=f"{reach - longest} at most, or lower data.max_length so that long prompts are left out",
        )
