"""What verifying asks of exported files: answers, the probabilities of given tokens, and how fast it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.data.chat.answer import Stripped
    from tuiftune.evaluate.contender import Question


@dataclass(frozen=True, slots=True)
class Given:
    """A prompt and the answer after it, in tokens: what the probabilities of the next token are asked for."""

    prompt: list[int]
    answer: list[int]


class Artifact(Protocol):
    """Exported files, loaded by an engine.

    Attributes:
        engine: name, version and device of what runs them.
    """

    engine: str

    def stops(self) -> set[int]:
        """Token ids at which an answer ends."""
        ...

    def prompt(self, row: int) -> list[int]:
        """The tokens that it makes of a row's prompt, by its own template and tokenizer."""
        ...

    def answer(self, rows: Sequence[Question], tell: Callable[[int], None]) -> list[Stripped]:
        """Greedy answers to rows, in their order."""
        ...

    def probabilities(self, given: Sequence[Given]) -> list[Any]:
        """Log-probabilities of the token at each place of the answers.

        Returns: for each, a tensor (tokens of the answer, vocabulary), or a list of {token: log-probability}
        of the likeliest tokens.
        """
        ...

    def speed(self) -> float | None:
        """Tokens generated per second over all answers; None before any."""
        ...
