"""A regular expression of the user's: whether an answer holds a match."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.evaluate.scorers.base import Scorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.scorers.base import Pair, Part


def parts(pairs: Sequence[Pair], argument: str) -> list[Part | None]:
    """Return 1 for each answer with a match. UserError if it is not a regular expression."""
    try:
        pattern = re.compile(argument)
    except re.error as fault:
        raise UserError(
            f"not a valid regular expression: {fault}", place="--metric regex", remedy="quote it in the shell"
        ) from fault
    return [(float(pattern.search(pair.answer) is not None),) for pair in pairs]


REGEX = Scorer(
    key="regex",
    order=60,
    name="regular expression",
    does="the answer holds a match of your pattern",
    kind="rate",
    parts=parts,
    takes="pattern",
)
