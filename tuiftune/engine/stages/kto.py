"""Kahneman-Tversky optimization: TRL's trainer over judged answers, with the base model as its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.chat import judged
from tuiftune.engine.evaluation import answers
from tuiftune.engine.stages.judgments import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.judged import Judged
    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.contender import Question


class JudgedAnswers:
    """Answers are shuffled once, with the run's seed: each batch compares its answers with one another."""

    columns = COLUMNS
    cut = ""

    def rows(self, tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Judged]:
        return judged.judged(tokenizer, examples)

    def trainer(self) -> type[StageTrainer]:
        from tuiftune.engine.stages.unpaired import UnpairedTrainer

        return UnpairedTrainer

    def arguments(self, settings: Settings, common: dict[str, Any]) -> Any:
        from trl import KTOConfig

        method = settings.preset.method
        return KTOConfig(
            **common,
            beta=float(method.beta),
            desirable_weight=float(method.desirable_weight),
            undesirable_weight=float(method.undesirable_weight),
            max_length=None,  # rows are truncated already
            precompute_ref_log_probs=not settings.adapted,
            disable_dropout=not (settings.adapted and method.dropout),
        )

    def questions(self, examples: Sequence[Example], tokenizer: RowTokenizer, rows: int) -> list[Question]:
        """The prompts of desirable answers, which are the references."""
        wanted = [example for example in examples if example.label == "true"]
        return answers.questions(wanted, tokenizer, rows)

    def room(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> tuple[int, int]:
        return answers.room(examples, tokenizer)


STAGE = JudgedAnswers()
