"""What a run has taken and will take: money and how near it is to its limit, and its next checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.figures import money

if TYPE_CHECKING:
    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

# A checkpoint holds what is trained in float32 at most, and two moments of it (Adam): 12 bytes a parameter.
STATES = 2
BYTES_PER_TRAINED = 4 * (1 + STATES)


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
    cap = (
        f"budget limit of {planned.max_hours:g} h"
        if by_hours
        else f"budget limit of {money(planned.max_usd or 0.0)}"
    )
    used = min(1.0, state.seconds / limit) if limit > 0 else 1.0
    return Spending(price, spent, to_finish, cap, limit - state.seconds, used)


@dataclass(frozen=True, slots=True)
class Next:
    """Seconds are None while the pace isn't known, bytes while nothing is known of the model."""

    step: int
    seconds: float | None
    bytes: float | None


def next_bytes(state: RunState) -> float | None:
    """What the next checkpoint takes: as much as the last; before the first, 12 bytes a trained parameter at
    most. None while neither is known."""
    sizes = [one.bytes for one in state.checkpoints if one.bytes]
    if sizes:
        return float(sizes[-1])
    return None if state.trainable is None else float(BYTES_PER_TRAINED * state.trainable)


def upcoming(state: RunState, planned: Planned) -> Next | None:
    """The next checkpoint by the plan's interval; the last step has one too. None where none is to come."""
    every, total = planned.save_every, state.total_steps
    if state.end is not None or not every or total is None or state.step >= total:
        return None
    step = min(total, (state.step // every + 1) * every)
    each = state.pace.seconds_per_step
    return Next(step, None if each is None else each * (step - state.step), next_bytes(state))
