"""What views that only add lines say of a run's health and cost: each remark once, when it first holds, and
after each evaluation how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.errors import with_fix
from tuiftune.plan.planned import NOTHING
from tuiftune.runs import health, status
from tuiftune.runs.state.narrate import clock
from tuiftune.runs.status.course import money_line

if TYPE_CHECKING:
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.log.events import Event
    from tuiftune.runs.state.run_state import RunState

EVERY_SECONDS = 10.0  # of the run between two looks, at least …
SHARE = 0.01  # … or this share of the time so far
MOMENTARY = ("phase", "left", "to finish")
CLOSING = ("time", "money", "memory", "disk")  # groups of facts that are told at the end


class Notices:
    """Give each event once, after it was folded into `state`."""

    def __init__(self, planned: Planned = NOTHING) -> None:
        self.planned = planned
        self._told: set[str] = set()
        self._looked_at = -EVERY_SECONDS

    def tell(self, event: Event, state: RunState) -> list[str]:
        """The lines that an event gives rise to, mostly none."""
        kind = event.get("type")
        evaluated = kind == "eval" and event.get("when") == "during"
        pause = max(EVERY_SECONDS, SHARE * state.seconds)  # a long log is told through in no time
        due = kind in ("step", "gpu", "phase") and state.seconds - self._looked_at >= pause
        if not evaluated and not due and kind != "end":
            return []
        self._looked_at = state.seconds
        judged = health.judge(state, self.planned)
        lines = []
        for remark in judged.remarks:
            if remark.code not in self._told:
                self._told.add(remark.code)
                lines.append(f"{remark.severity}: {with_fix(remark.words, remark.remedy)}")
        if evaluated:
            judgement = "healthy" if judged.severity == "ok" else judged.headline
            parts = [judgement, money_line(state, self.planned), *_memory(state, self.planned)]
            lines.append("so far: " + "; ".join(part for part in parts if part))
        return [f"{clock(state.seconds)}  {line}" for line in lines]


def closing(state: RunState, planned: Planned) -> list[str]:
    """What the run came to, a line a group: told before its end is."""
    lines = []
    for name in CLOSING:
        facts = status.group(name, state, planned)
        said = [f"{fact.name} {fact.value}" for fact in facts if fact.name not in MOMENTARY]
        if name == "money" and planned.usd_per_hour is None and planned.limit_seconds is None:
            continue
        if said:
            lines.append(f"{clock(state.seconds)}  {name}: {'; '.join(said)}")
    return lines


def _memory(state: RunState, planned: Planned) -> list[str]:
    facts = status.group("memory", state, planned)
    return [f"{fact.name} {fact.value}" for fact in facts if fact.name in ("on the GPU", "the process")]
