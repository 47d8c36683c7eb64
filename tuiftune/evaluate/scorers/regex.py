"""A regular expression of the user's: whether an answer holds a match."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.evaluate.scorers.base import Scorer
from tuiftune.time_limit import OutOfTimeError, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part

SECONDS = 1.0  # for an answer


def parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return 1 for each answer with a match. UserError if it is not a regular expression."""
    try:
        pattern = re.compile(argument)
    except re.error as fault:
        raise UserError(
            f"not a valid regular expression: {fault}", place="--metric regex", remedy="quote it in the shell"
        ) from fault
    try:
        with within(SECONDS * len(pairs)):
            return [(float(pattern.search(pair.answer) is not None),) for pair in pairs]
    except OutOfTimeError:
        raise UserError(
            f"takes more than {SECONDS * len(pairs):g} s for {len(pairs)} answers",
            place="--metric regex",
            remedy="rewrite repetitions inside of repetitions, such as (a+)+, which try every division",
        ) from None


REGEX = Scorer(
    key="regex",
    order=60,
    name="regular expression",
    does="the answer holds a match of your pattern",
    kind="rate",
    parts=parts,
    takes="pattern",
)
