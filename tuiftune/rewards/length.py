"""1 for an answer that is short enough, falling to 0 at twice the length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.rewards.base import Reward, each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.rewards.base import Score


def _make(given: Mapping[str, Any], place: str) -> Score:
    most = given["tokens"]
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise UserError("tokens is not a whole number above 0", place=place, remedy="write tokens: 200")
    return each(lambda one: min(1.0, max(0.0, 2.0 - one.tokens / most)))


LENGTH = Reward(
    "length",
    50,
    "1 if the answer has at most so many tokens, falling to 0 at twice as many",
    _make,
    {"tokens": "how many"},
    needs=("tokens",),
)
