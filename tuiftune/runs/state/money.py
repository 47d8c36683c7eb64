"""What a run has cost, what it will, and how near it is to its cap: time by price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.figures import money

if TYPE_CHECKING:
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState


@dataclass(frozen=True, slots=True)
class Spending:
    """US dollars, None where no price (or no time left) is known. `cap` names the nearest cap in words,
    `left_to_cap` are the seconds that it leaves, `used` the share of it that is gone."""

    per_hour: float | None
    spent: float | None
    to_finish: float | None
    cap: str | None = None
    left_to_cap: float | None = None
    used: float | None = None

    @property
    def total(self) -> float | None:
        return None if self.spent is None or self.to_finish is None else self.spent + self.to_finish


def spending(state: RunState, planned: Planned) -> Spending:
    """Every second in which the run's processes worked counts, loading too; the pause before a resume
    doesn't."""
    price = planned.usd_per_hour
    left = state.eta.seconds
    spent = None if price is None else state.seconds / 3600 * price
    to_finish = None if price is None or left is None else left / 3600 * price
    limit = planned.limit_seconds
    if limit is None:
        return Spending(price, spent, to_finish)
    by_hours = planned.max_hours is not None and limit >= planned.max_hours * 3600
    cap = f"cap of {planned.max_hours:g} h" if by_hours else f"cap of {money(planned.max_usd or 0.0)}"
    used = min(1.0, state.seconds / limit) if limit > 0 else 1.0
    return Spending(price, spent, to_finish, cap, limit - state.seconds, used)
