"""1 if a regular expression is found in the answer; else 0."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.rewards.base import Reward, each_in_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.rewards.base import Score


def _make(given: Mapping[str, Any], place: str) -> Score:
    try:
        pattern = re.compile(str(given["pattern"]), re.DOTALL)
    except re.error as fault:
        raise UserError(
            f"the pattern is not a regular expression: {fault}", place=place, remedy="see docs.python.org, re"
        ) from fault
    return each_in_time(lambda one: pattern.search(one.answer) is not None, place, "the pattern")


REGEX = Reward(
    "regex",
    30,
    "1 if a regular expression is found in the answer; else 0",
    _make,
    {"pattern": "the expression, as Python's re reads it"},
    needs=("pattern",),
)
