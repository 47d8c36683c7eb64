"""Rules on what runs out: the budget, the disk, the machine's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import duration, money, percent, size
from tuiftune.runs.health.remark import Remark, Rule
from tuiftune.runs.state import ahead
from tuiftune.runs.state.ahead import spending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState

HOST_MEMORY_NEARLY_FULL = 0.93
CHECKPOINTS_ROOM = 2  # times the next checkpoint: less free disk than that is tight
DISK_LOW_BYTES = 512 * 1024**2


def _budget(state: RunState, planned: Planned) -> Iterator[Remark]:
    spent = spending(state, planned)
    if spent.left_to_cap is None or spent.cap is None:
        if planned.max_usd is not None and planned.usd_per_hour is None:
            yield Remark(
                "no_price",
                "warning",
                "budget limit without price",
                f"the budget limit of {money(planned.max_usd)} cannot be enforced: this machine's price is "
                "unknown",
                "set budget.usd_per_hour, or limit the hours with budget.max_hours",
                "cost is time × price, so without a price only budget.max_hours can stop a run",
            )
        return
    left = state.eta.seconds
    if left is not None and left > spent.left_to_cap:
        measured = "(predicted)" if state.eta.predicted else "(measured)"
        yield Remark(
            "budget",
            "warning",
            "budget limit before the end",
            f"the {spent.cap} will be reached in {duration(max(0.0, spent.left_to_cap))}, "
            f"but the run needs {duration(left)} more {measured}",
            "the run will save a checkpoint and stop; continue with `tuiftune resume --max-usd` or "
            "`--max-hours`",
            "remaining time of the run, compared with the remaining budget at this machine's price",
        )


def _host(state: RunState, planned: Planned) -> Iterator[Remark]:
    host = state.host
    if not host.memory_used or not host.memory_total:
        return
    share = host.memory_used / host.memory_total
    if share > HOST_MEMORY_NEARLY_FULL:
        yield Remark(
            "host_memory",
            "warning",
            "RAM nearly full",
            f"RAM is {percent(share)} full",
            "the system may kill the run: stop other programs",
            f"more than {percent(HOST_MEMORY_NEARLY_FULL)} of the RAM was in use at the latest reading",
        )


def _disk(state: RunState, planned: Planned) -> Iterator[Remark]:
    free, needed = state.host.disk_free, ahead.next_bytes(state)
    if free is None or free >= max(DISK_LOW_BYTES, CHECKPOINTS_ROOM * (needed or 0)):
        return
    need = f"; the next checkpoint takes {size(needed)}" if needed else ""
    yield Remark(
        "disk",
        "warning" if not needed or free >= needed else "error",
        "disk nearly full",
        f"only {size(free)} of disk space are free{need}",
        "free disk space, or the next checkpoint cannot be saved",
        f"a new checkpoint is saved before an old one is deleted: less than {CHECKPOINTS_ROOM} times "
        f"its size, or less than {size(DISK_LOW_BYTES)}, is free",
    )


RULES = (
    Rule(
        "budget",
        _budget,
        lambda state, planned: (
            state.end is None and (planned.max_usd is not None or planned.max_hours is not None)
        ),
        lambda state, planned: False,
    ),
    Rule("RAM", _host, lambda state, _: state.end is None and state.host.memory_used is not None),
    Rule("disk", _disk, lambda state, _: state.end is None and state.host.disk_free is not None),
)
