"""Batches of judged answers, for the stages on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("input_ids", "labels", "label")
IGNORED = -100  # label of a token that is not trained


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
