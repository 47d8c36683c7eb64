"""What stages on pairs share: their rows and questions, and a trainer's batches of two sequences a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.data.chat import pairs
from tuiftune.engine.evaluation import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.pairs import Pair
    from tuiftune.data.example import Example
    from tuiftune.engine.model.tokenizer import RowTokenizer
    from tuiftune.evaluate.contender import Question

COLUMNS = ("chosen_ids", "chosen_labels", "rejected_ids", "rejected_labels")
IGNORED = -100  # label of a token that is not trained
RANKED = "ranking_accuracy"  # share of the pairs whose chosen answer is the likelier one


class Compared:
    """Rows of a prompt with a chosen and a rejected answer, tokenized and truncated already."""

    columns = COLUMNS
    cut = ""

    def rows(self, tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Pair]:
        return pairs.pairs(tokenizer, examples)

    def questions(self, examples: Sequence[Example], tokenizer: RowTokenizer, rows: int) -> list[Question]:
        """The prompts; the reference is the chosen answer."""
        return answers.questions([example.sides()[0] for example in examples], tokenizer, rows)

    def room(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> tuple[int, int]:
        return answers.room(examples, tokenizer)


class Collator:
    """Pairs as one batch: the chosen sequences, then the rejected ones, padded on the right.

    The keys are those of TRL's own collator: `input_ids`, `attention_mask` and `completion_mask`, each of
    (2 x pairs, length).
    """

    def __init__(self, padding: int) -> None:
        self._padding = padding

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        def padded(which: str, value: int) -> Any:
            sides = [torch.tensor(row[f"{side}_{which}"]) for side in ("chosen", "rejected") for row in rows]
            return pad_sequence(sides, batch_first=True, padding_value=value)

        ids, labels = padded("ids", self._padding), padded("labels", IGNORED)
        lengths = torch.tensor([len(row[f"{side}_ids"]) for side in ("chosen", "rejected") for row in rows])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        batch = {"input_ids": ids, "attention_mask": mask, "completion_mask": (labels != IGNORED).long()}
        for name in ("ref_chosen_logps", "ref_rejected_logps"):
            if name in rows[0]:
                batch[name] = torch.tensor([row[name] for row in rows])
        return batch


def pairs_of(inputs: dict[str, Any]) -> Any:
    """Pairs of a batch, as a tensor."""
    import torch

    return torch.tensor(len(inputs["input_ids"]) // 2)
