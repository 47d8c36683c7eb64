"""A prompt that is to be answered, as tokens, with its text and the reference answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.tokenize import RowTokenizer, Tokens
    from tuiftune.data.example import Example


@dataclass(frozen=True, slots=True)
class Prompt:
    """What inference sends, at most `most` tokens; a longer one is not trained on."""

    ids: list[int]
    text: str
    reference: str
    most: int

    @property
    def sides(self) -> tuple[Tokens, ...]:
        return ()

    @property
    def parts(self) -> tuple[list[int], ...]:
        """Tokens of the prompt, and its text and the reference answer in UTF-8."""
        return self.ids, list(self.text.encode()), list(self.reference.encode())

    @property
    def trained(self) -> int:
        return 0

    @property
    def lost(self) -> int:
        return 0

    @property
    def truncated(self) -> bool:
        return False

    @property
    def teaches(self) -> bool:
        return 0 < len(self.ids) < self.most


def prompts(tokenizer: RowTokenizer, examples: Sequence[Example]) -> list[Prompt]:
    """Tokenize the prompts of rows. UserError if the template refuses one."""
    return [
        Prompt(tokenizer.prompt(row.prompt), asked(row), row.reference, tokenizer.max_length)
        for row in examples
    ]


def asked(example: Example) -> str:
    """What a row asks, without its system message."""
    return "\n".join(turn.content for turn in example.prompt if turn.role != "system")
