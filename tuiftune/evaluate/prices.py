"""Cost of answers: per 1,000 and per month, and the volume at which fine-tuning pays for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.evaluate.contender import Usage

HOURS_A_MONTH = 730.0  # 365 days / 12


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices as the user gave them, in US dollars. None if they are not known: nothing is guessed.

    Attributes:
        hour: of the machine that models of this machine answer on.
        tokens_in, tokens_out: of an endpoint, per million tokens.
        tuning: of the training, once.
        answers_a_month: how many are expected.
    """

    hour: float | None = None
    tokens_in: float | None = None
    tokens_out: float | None = None
    tuning: float | None = None
    answers_a_month: int | None = None


def per_thousand(usage: Usage, rates: Rates, *, endpoint: bool) -> float | None:
    """Return the price of 1,000 answers; None if a figure for it is missing."""
    if endpoint:
        figures = (usage.tokens_in, usage.tokens_out, rates.tokens_in, rates.tokens_out)
        if None in figures:
            return None
        read, written, price_in, price_out = (float(one or 0) for one in figures)
        return (read * price_in + written * price_out) / 1000
    if usage.seconds is None or rates.hour is None:
        return None
    return usage.seconds * 1000 / 3600 * rates.hour


def per_month(usage: Usage, rates: Rates, *, endpoint: bool) -> float | None:
    """Return a month's cost of the expected answers. A hosted model's idle hours count: it runs all month, on
    as many machines as its answers need.
    """
    if rates.answers_a_month is None:
        return None
    if endpoint:
        price = per_thousand(usage, rates, endpoint=True)
        return None if price is None else price * rates.answers_a_month / 1000
    if usage.seconds is None or rates.hour is None:
        return None
    machines = max(1, -(-int(usage.seconds * rates.answers_a_month) // int(HOURS_A_MONTH * 3600)))
    return machines * HOURS_A_MONTH * rates.hour


def break_even(tuned: float | None, other: float | None, rates: Rates) -> int | None:
    """Return the number of answers after which fine-tuning has paid for itself; None if never or unknown."""
    if tuned is None or other is None or rates.tuning is None or tuned >= other:
        return None
    return round(rates.tuning / (other - tuned) * 1000)
