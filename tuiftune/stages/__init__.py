"""The stages: each file of this room that holds a `Stage` is one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tuiftune.options import entries
from tuiftune.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping


@functools.cache
def every() -> Mapping[str, Stage]:
    """Every stage by key, in the order they are listed in."""
    return entries("stages", Stage)
