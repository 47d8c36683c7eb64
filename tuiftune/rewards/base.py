"""What a reward is: a number for an answer, by a rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.time_limit import OutOfTimeError, within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Score = Callable[[Sequence["Asked"]], list[float]]


SECONDS = 5.0  # for a pattern and one answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A generated answer next to what was asked.

    `tokens`: how many the model wrote, reasoning included; `ids`: those of the prompt and the answer, if the
    engine asks.
    """

    prompt: str
    answer: str
    reference: str
    tokens: int
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reward:
    """One rule. `takes` are its parameters, in words; `needs` those of them that must be given.

    `make` gets the parameters and where they stand, and returns what scores answers.
    """

    key: str
    order: int
    does: str
    make: Callable[[Mapping[str, Any], str], Score]
    takes: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    compares: bool = False  # with the reference answer of the row
    suits: Callable[[str], bool] | None = None  # whether a reference answer is one that it can check
    reads: Callable[[str], bool] | None = None  # whether an answer could match a reference at all
    tried: bool = False  # it is the user's own code, which is tried before a run


@dataclass(frozen=True, slots=True)
class Made:
    """A reward with its parameters, ready to score, and its weight in the sum."""

    name: str
    weight: float
    score: Score


def each(rule: Callable[[Asked], float]) -> Score:
    """A rule for one answer as one for many."""
    return lambda asked: [float(rule(one)) for one in asked]


def each_in_time(rule: Callable[[Asked], float], place: str, what: str) -> Score:
    """The same for a rule with a pattern of the user's. UserError if an answer takes it too long."""

    def timed(one: Asked) -> float:
        try:
            with within(SECONDS):
                return rule(one)
        except OutOfTimeError:
            raise UserError(
                f"{what} takes more than {SECONDS:g} s for one answer of {len(one.answer):,} characters",
                place=place,
                remedy="rewrite repetitions inside of repetitions, such as (a+)+, which try every division",
            ) from None

    return each(timed)
