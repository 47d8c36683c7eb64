"""Two answers to one prompt as tokens: each side is a row of its own, both truncated at one length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.tokenize import RowTokenizer, Tokens
    from tuiftune.data.example import Example


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt with its chosen answer, and the same prompt with the rejected one.

    The prompt is the same in both, so one max_length leaves both answers the same number of tokens.
    """

    chosen: Tokens
    rejected: Tokens

    @property
    def sides(self) -> tuple[Tokens, Tokens]:
        return self.chosen, self.rejected

    @property
    def parts(self) -> tuple[list[int], ...]:
        """Tokens and labels of the chosen side, then of the rejected one."""
        return (*self.chosen.parts, *self.rejected.parts)

    @property
    def length(self) -> int:
        """Tokens of the longer side before truncation: what both are padded to."""
        return max(side.length for side in self.sides)

    @property
    def learnt(self) -> int:
        """Answer tokens of both sides before truncation."""
        return sum(side.learnt for side in self.sides)

    @property
    def trained(self) -> int:
        """Answer tokens of both sides."""
        return sum(side.trained for side in self.sides)

    @property
    def lost(self) -> int:
        return sum(side.lost for side in self.sides)

    @property
    def truncated(self) -> bool:
        return any(side.truncated for side in self.sides)

    @property
    def teaches(self) -> bool:
        """Return True if both answers have a token left, and are not the same."""
        return all(side.teaches for side in self.sides) and self.chosen.ids != self.rejected.ids


def pairs(tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Pair]:
    """Tokenize comparisons. UserError if the answer of one can't be told from its prompt."""
    both = [example.sides() for example in examples]
    chosen = tokenizer.rows([one for one, _ in both], loss_on="assistant")
    rejected = tokenizer.rows([other for _, other in both], loss_on="assistant")
    return [Pair(one, other) for one, other in zip(chosen, rejected, strict=True)]


def rows(tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Tokens | Pair]:
    """Tokenize rows of any form, comparisons as pairs."""
    compared = [example for example in examples if example.chosen is not None]
    others = iter(tokenizer.rows([example for example in examples if example.chosen is None]))
    made = iter(pairs(tokenizer, compared))
    return [next(others) if example.chosen is None else next(made) for example in examples]
