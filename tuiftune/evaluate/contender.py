"""What can be evaluated: anything that answers rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.answer import Stripped


@dataclass(frozen=True, slots=True)
class Question:
    """One held-out row: what is asked, its tokens, and the answer it should have."""

    text: str
    tokens: list[int]
    reference: str
    row: int


class Contender(Protocol):
    """A base model, a fine-tuned one, or whatever else is compared with them on the same rows.

    Attributes:
        key: its name in events and documents.
    """

    key: str

    def answer(self, rows: Sequence[Question]) -> list[Stripped]:
        """Return one answer a row, in their order."""
        ...
