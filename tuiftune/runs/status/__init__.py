"""How a run stands, in words: every number with its reason. What the dashboard, `watch --plain` and the
report say is said here once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.plan.planned import NOTHING
from tuiftune.runs.status import course, learning, machine, memory
from tuiftune.runs.status.fact import GROUPS, Fact

if TYPE_CHECKING:
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

__all__ = ["GROUPS", "Fact", "facts", "group"]

_GIVERS = (course.time, course.money, learning.facts, memory.memory, memory.disk, machine.facts)


def facts(state: RunState, planned: Planned = NOTHING) -> list[Fact]:
    """All that can be said now, group by group in the order of `GROUPS`."""
    return [fact for giver in _GIVERS for fact in giver(state, planned)]


def group(name: str, state: RunState, planned: Planned = NOTHING) -> list[Fact]:
    """The facts of one group."""
    return [fact for fact in facts(state, planned) if fact.group == name]
