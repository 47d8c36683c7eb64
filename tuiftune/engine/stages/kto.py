"""Kahneman-Tversky optimization: TRL's trainer over judged answers, with the base model as its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.chat import judged
from tuiftune.engine.evaluation import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.judged import Judged
    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import Tokeniser
    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.contender import Question

COLUMNS = ("input_ids", "labels", "label")
IGNORED = -100  # label of a token that is not trained


class JudgedAnswers:
    """Answers are shuffled once, with the run's seed: each batch compares its answers with one another."""

    columns = COLUMNS

    def rows(self, tokeniser: Tokeniser, examples: Sequence[Example]) -> list[Judged]:
        return judged.judged(tokeniser, examples)

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

    def questions(self, examples: Sequence[Example], tokeniser: Tokeniser, rows: int) -> list[Question]:
        """The prompts of desirable answers, which are the references."""
        wanted = [example for example in examples if example.label == "true"]
        return answers.questions(wanted, tokeniser, rows)

    def room(self, examples: Sequence[Example], tokeniser: Tokeniser) -> tuple[int, int]:
        return answers.room(examples, tokeniser)


class Collator:
    """Judged answers as one batch, and each prompt with the answer of the row before it, for the KL term.

    The keys are those of TRL's own collator.
    """

    def __init__(self, padding: int, max_length: int) -> None:
        self._padding, self._max_length = padding, max_length

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import torch

        batch = self._padded([(row["input_ids"], row["labels"]) for row in rows], "")
        mismatched = [self._other(row, rows[number - 1]) for number, row in enumerate(rows)]
        batch |= self._padded(mismatched, "KL_")
        batch["label"] = torch.tensor([bool(row["label"][0]) for row in rows])
        for name in ("ref_logps", "ref_KL_logps"):
            if name in rows[0]:
                batch[name] = torch.tensor([row[name] for row in rows])
        return batch

    def _other(self, asked: dict[str, Any], answered: dict[str, Any]) -> tuple[list[int], list[int]]:
        """The prompt of one row with the answer of another, as tokens and labels."""
        prompt = asked["input_ids"][: _answer_from(asked)]
        at = _answer_from(answered)
        ids, labels = (
            [*prompt, *answered["input_ids"][at:]],
            [IGNORED] * len(prompt) + answered["labels"][at:],
        )
        return ids[: self._max_length], labels[: self._max_length]

    def _padded(self, rows: Sequence[tuple[list[int], list[int]]], prefix: str) -> dict[str, Any]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        def padded(values: list[Any], value: int) -> Any:
            return pad_sequence([torch.tensor(one) for one in values], batch_first=True, padding_value=value)

        labels = padded([labels for _, labels in rows], IGNORED)
        return {
            f"{prefix}input_ids": padded([ids for ids, _ in rows], self._padding),
            f"{prefix}attention_mask": padded([[1] * len(ids) for ids, _ in rows], 0),
            f"{prefix}completion_mask": (labels != IGNORED).long(),
        }


def _answer_from(row: dict[str, Any]) -> int:
    return next(place for place, label in enumerate(row["labels"]) if label != IGNORED)


STAGE = JudgedAnswers()
