"""Findings on a run: pure rules on its folded state and its plan, each with its fix and the rule behind it.

Thresholds stand where they are used, with their source or how they were measured. Only divergence stops a
run. A rule that has too little to go by says nothing, and a loss that has not moved is never called healthy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.figures import plural
from tuiftune.plan.planned import NOTHING
from tuiftune.runs.health import causes, curves, limits, machine, preferences, rewards, rows
from tuiftune.runs.health.remark import ORDER, Remark

if TYPE_CHECKING:
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

__all__ = ["RULES", "Health", "Remark", "judge", "remarks", "what_to_try"]

RULES = (*curves.RULES, *preferences.RULES, *rewards.RULES, *rows.RULES, *limits.RULES, *machine.RULES)


@dataclass(frozen=True, slots=True)
class Health:
    """`remarks` with the most serious first; what was `looked_at`, and what it is `too_early` for."""

    remarks: tuple[Remark, ...]
    looked_at: tuple[str, ...]
    too_early: tuple[str, ...]

    @property
    def severity(self) -> str:
        """ok, info, warning or error; "" while nothing could be looked at."""
        if self.remarks:
            return self.remarks[0].severity
        return "ok" if curves.LEARNING in self.looked_at else ""

    @property
    def headline(self) -> str:
        """In a few words: calm unless something is the matter."""
        if not self.severity:
            return "too early to tell"
        if self.severity == "ok":
            return f"healthy: {', '.join(self.looked_at)}"
        matters = [remark.title for remark in self.remarks if remark.severity != "info"]
        hints = [remark.title for remark in self.remarks if remark.severity == "info"]
        if matters:
            return ", ".join(matters)
        return f"healthy · {plural(len(hints), 'suggestion')}: {', '.join(hints)}"


def judge(state: RunState, planned: Planned = NOTHING) -> Health:
    """Look at a run as it is now."""
    found: list[Remark] = []
    looked_at: list[str] = []
    too_early: list[str] = []
    for rule in RULES:
        if rule.ready(state, planned):
            looked_at.append(rule.looks_at)
            found += rule.find(state, planned)
        elif rule.pending(state, planned):
            too_early.append(rule.looks_at)
    found.sort(key=lambda remark: ORDER[remark.severity])
    looked = tuple(dict.fromkeys(looked_at))
    return Health(tuple(found), looked, tuple(one for one in dict.fromkeys(too_early) if one not in looked))


def what_to_try(state: RunState, planned: Planned = NOTHING) -> str:
    """Return the fix for what kept the run from learning; "" if nothing is known to have."""
    found = causes.find(state, planned)
    return "" if found is None else f"{found.remedy[:1].upper()}{found.remedy[1:]}."


def remarks(state: RunState, planned: Planned = NOTHING) -> list[Remark]:
    """All that is worth a remark now, the most serious first."""
    return list(judge(state, planned).remarks)
