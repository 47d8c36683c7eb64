"""1 for the number that the reference answer ends with; else 0.

Numbers are read as number match of an evaluation reads them: see `tuiftune.final_number`.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tuiftune import final_number
from tuiftune.errors import UserError
from tuiftune.rewards.base import Reward, each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.rewards.base import Asked, Score

ENDS_IN_A_NUMBER = re.compile(r"(?:^|####|=|:|\bis)\s*[$€£]?-?[\d,./]*\d\W{0,3}$")  # as a result is given


def _make(given: Mapping[str, Any], place: str) -> Score:
    within = given.get("tolerance", 0.0)
    if isinstance(within, bool) or not isinstance(within, int | float) or not 0 <= within < math.inf:
        raise UserError("tolerance has to be 0 or more", place=place, remedy="write tolerance: 0.01")

    apart = Fraction(str(within))  # as it is written: 0.3 is no float

    def matches(one: Asked) -> float:
        wanted = final_number.final(one.reference)
        return float(final_number.same(final_number.final(one.answer), wanted, apart))

    return each(matches)


NUMERIC_MATCH = Reward(
    "numeric_match",
    20,
    "1 if the final number of the answer is that of the reference answer; else 0",
    _make,
    {"tolerance": "how far the numbers may be apart (0)"},
    compares=True,
    reads=lambda reference: final_number.final(reference) is not None,
    suits=lambda reference: ENDS_IN_A_NUMBER.search(reference) is not None,
)
