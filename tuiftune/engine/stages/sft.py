"""Supervised fine-tuning: prompts with answers, of which the answers' tokens are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.evaluation import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.tokenize import Tokens
    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.contender import Question


class Supervised:
    """TRL's SFT trainer, over rows that are tokenized and truncated already."""

    columns = ("input_ids", "labels")
    cut = "truncated"

    def rows(self, tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Tokens]:
        return tokenizer.rows(examples)

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.next_token import NextTokenTrainer

        return NextTokenTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl import SFTConfig

        data = settings.preset.data
        return SFTConfig(
            **common,
            packing=bool(data.packing),
            eval_packing=False,
            padding_free=data.padding_free is True,
            max_length=data.max_length if data.packing else None,  # rows are cut already
            dataset_kwargs=None if data.packing else {"skip_prepare_dataset": True},
        )

    def questions(self, examples: Sequence[Example], tokenizer: RowTokenizer, rows: int) -> list[Question]:
        return answers.questions(examples, tokenizer, rows)

    def room(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> tuple[int, int]:
        return answers.room(examples, tokenizer)


STAGE = Supervised()
