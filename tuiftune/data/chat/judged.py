"""An answer that is judged good or bad, as tokens: its last answer is trained on, the rest is context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.tokenize import RowTokenizer, Tokens
    from tuiftune.data.example import Example


@dataclass(frozen=True, slots=True)
class Judged:
    """A row, and whether its answer is desirable."""

    row: Tokens
    desirable: bool

    @property
    def sides(self) -> tuple[Tokens, ...]:
        return (self.row,)

    @property
    def parts(self) -> tuple[list[int], ...]:
        """Tokens, labels, and 1 or 0 for a desirable answer or not."""
        return (*self.row.parts, [int(self.desirable)])

    @property
    def trained(self) -> int:
        return self.row.trained

    @property
    def lost(self) -> int:
        return self.row.lost

    @property
    def truncated(self) -> bool:
        return self.row.truncated

    @property
    def teaches(self) -> bool:
        return self.row.teaches


def judged(tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Judged]:
    """Tokenize judged answers. UserError if an answer can't be told from its prompt."""
    rows = tokenizer.rows(examples, loss_on="completion")
    return [Judged(row, example.label == "true") for row, example in zip(rows, examples, strict=True)]
