"""The stages: each file of this room that holds a `Stage` is one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tuiftune.options import entries
from tuiftune.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

# Formats whose stage can't be trained yet: what `data inspect` says they are for.
AWAITED: dict[str, str] = {}
# What people ask for that can't be had, and what to take instead.
GONE = {"ppo": ("PPO is gone from TRL", "take grpo or rloo, which need no value model")}


@functools.cache
def every() -> Mapping[str, Stage]:
    """Every stage by key, in the order they are listed in."""
    return entries("stages", Stage)


def usual() -> Stage:
    """The stage of a preset that names none."""
    return next(iter(every().values()))


def of_format(name: str) -> str:
    """The key of the stage that rows of a format are for."""
    return next((key for key, stage in every().items() if name in stage.own), AWAITED.get(name, ""))
