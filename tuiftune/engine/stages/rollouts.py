"""What stages of reinforcement learning share: prompts as rows, and the trainer's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune import rewards
from tuiftune.data.chat import prompts
from tuiftune.engine.evaluation import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.prompts import Prompt
    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.contender import Question

COLUMNS = ("prompt_ids", "text", "reference")


class Rollouts:
    """Rows are prompts; a row without a reference answer has an empty one."""

    columns = COLUMNS
    cut = ""

    def rows(self, tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Prompt]:
        return prompts.prompts(tokenizer, examples)

    def questions(self, examples: Sequence[Example], tokenizer: RowTokenizer, rows: int) -> list[Question]:
        return answers.questions(examples, tokenizer, rows, referenced=False)

    def room(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> tuple[int, int]:
        return answers.room(examples, tokenizer)

    def shared(self, settings: Settings) -> dict[str, Any]:
        """What both trainers are told. ValueError for a reference model that would have to be loaded too."""
        method = settings.preset.method
        if method.beta and not settings.adapted:
            raise ValueError(
                "with all weights trained, a beta above 0 needs a second model: set method.beta: 0"
            )
        return {
            "num_generations": method.generations,
            "max_completion_length": method.max_completion_length,
            "temperature": method.temperature,
            "beta": float(method.beta),
            "reward_weights": [one.weight for one in rewards.made(method.rewards)],
            "disable_dropout": not (settings.adapted and method.dropout),
        }
