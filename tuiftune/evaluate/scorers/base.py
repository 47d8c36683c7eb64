"""What a scorer is: how answers are compared with reference answers, and what its numbers mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from tuiftune.data.chat.reasoning import composed, without
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kind = Literal["rate", "mean", "sums"]
Part = tuple[float, ...]  # what one row adds; of a rate or a mean, one number


class Pair(NamedTuple):
    """One scored row.

    Attributes:
        answer: what was generated, without reasoning and template marks.
        reference: the answer in the data.
        prompt: what was asked, without the system message.
        row: its number in its file, from 1.
        nats: negative log-likelihood of the reference; None if it was not measured.
        tokens: tokens that `nats` is the sum over; `bytes`: of their text, reasoning included where it is
            measured (0: of the reference).
    """

    answer: str
    reference: str
    prompt: str = ""
    row: int = 0
    nats: float | None = None
    tokens: int = 0
    bytes: int = 0


def composed_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs as every scorer compares them: references without their reasoning, as answers are, and
    accents encoded alike on both sides.
    """
    return [
        pair._replace(answer=composed(pair.answer), reference=composed(without(pair.reference)))
        for pair in pairs
    ]


@dataclass(frozen=True, slots=True)
class Scorer:
    """An entry of the registry.

    Attributes:
        kind: `rate`: 0 or 1 a row; `mean`: a number a row; `sums`: a function of sums over rows.
        parts: one part a row, None for a row that it does not apply to. The text is its argument.
        combine: of `sums`, the score from the sums.
        unit: `share` (0 to 1), `points` (0 to 100), or the unit of its numbers.
        tasks: kinds of tasks that it suits; `leads`: those whose main metric it is.
        takes: what its argument is; "" if it takes none.
        packages: modules of the `evaluate` extra that it needs.
        losses: True if it needs the likelihood of the references, which endpoints do not give.
        source: where its definition can be looked up.
    """

    key: str
    order: int
    name: str
    does: str
    kind: Kind
    parts: Callable[[Sequence[Pair], str], list[Part | None]]
    combine: Callable[[Sequence[float]], float] | None = None
    better: Literal["higher", "lower", ""] = "higher"
    unit: str = "share"
    tasks: frozenset[str] = frozenset()
    leads: frozenset[str] = frozenset()
    takes: str = ""
    packages: tuple[str, ...] = ()
    losses: bool = False
    source: str = ""

    def must_rank(self) -> None:
        """UserError if more of it is neither better nor worse, so that nothing can be chosen by it."""
        if not self.better:
            raise UserError(
                "is neither better nor worse when it is larger",
                place=f"--metric {self.key}",
                remedy="name another metric first",
            )


def each(score: Callable[[Pair], float | None]) -> Callable[[Sequence[Pair], str], list[Part | None]]:
    """Return the `parts` of a scorer that looks at one row at a time and takes no argument."""

    def parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
        del argument
        found = [score(pair) for pair in pairs]
        return [None if value is None else (float(value),) for value in found]

    return parts
