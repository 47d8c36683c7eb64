"""1 for the number that the reference answer ends with; else 0."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.rewards.base import Reward, each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.rewards.base import Asked, Score

ENDS_IN_A_NUMBER = re.compile(r"(?:^|####|=|:|\bis)\s*[$€£]?-?[\d,.]*\d\W{0,3}$")  # as a result is given
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")


def _make(given: Mapping[str, Any], place: str) -> Score:
    within = given.get("tolerance", 0.0)
    if isinstance(within, bool) or not isinstance(within, int | float) or within < 0:
        raise UserError("tolerance has to be 0 or more", place=place, remedy="write tolerance: 0.01")

    def matches(one: Asked) -> float:
        found, wanted = last_number(one.answer), last_number(one.reference)
        return float(found is not None and wanted is not None and abs(found - wanted) <= within)

    return each(matches)


def last_number(text: str) -> float | None:
    """The last number in a text, without thousands separators; None if there is none."""
    found = NUMBER.findall(text.replace("\u2212", "-"))  # the sign of typesetters, which models write too
    return float(found[-1].replace(",", "")) if found else None


NUMERIC_MATCH = Reward(
    "numeric_match",
    20,
    "1 if the last number of the answer is that of the reference answer; else 0",
    _make,
    {"tolerance": "how far the numbers may be apart (0)"},
    compares=True,
    suits=lambda reference: ENDS_IN_A_NUMBER.search(reference) is not None,
)
