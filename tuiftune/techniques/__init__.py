"""The techniques: each file of this room that holds a `Technique` is one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tuiftune.options import Option, entries
from tuiftune.techniques.base import Technique

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO = "auto"


@functools.cache
def every() -> Mapping[str, Technique]:
    """Every technique by key, in the order they are listed in."""
    return entries("techniques", Technique)


def options_of(key: str) -> tuple[Option, ...]:
    """The options that may stand beside a technique; of `auto`, those of all that the plan may choose."""
    if key != AUTO:
        return every()[key].accepted
    first, *rest = (one.accepted for one in every().values() if one.automatic)
    return tuple(option for option in first if all(option in other for other in rest))
