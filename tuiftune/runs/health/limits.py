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
                "cap without price",
                f"the cap of {money(planned.max_usd)} can't be kept: no price of this machine is known",
                "set budget.usd_per_hour, or cap the hours with budget.max_hours",
                "money is time by price; without a price only budget.max_hours can end a run",
            )
        return
    left = state.eta.seconds
    if left is not None and left > spent.left_to_cap:
        measured = "as predicted" if state.eta.predicted else "at the pace measured"
        yield Remark(
            "budget",
            "warning",
            "budget ends it early",
            f"the {spent.cap} is used up in {duration(max(0.0, spent.left_to_cap))}, "
            f"and {duration(left)} are left {measured}",
            "it will end in a checkpoint; `tuiftune resume --max-usd` or `--max-hours` goes on from there",
            "what is left of the run, set against what is left of its cap at this machine's price",
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
            "host memory full",
            f"the machine's memory is {percent(share)} full",
            "the system may kill the run; end other programs",
            f"more than {percent(HOST_MEMORY_NEARLY_FULL)} of the host's memory is in use at the latest "
            "reading",
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
        f"only {size(free)} of disk are free{need}",
        "free some, or the next checkpoint can't be written",
        f"a new checkpoint is written whole before an old one is dropped: less than {CHECKPOINTS_ROOM} times "
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
    Rule("host memory", _host, lambda state, _: state.end is None and state.host.memory_used is not None),
    Rule("disk", _disk, lambda state, _: state.end is None and state.host.disk_free is not None),
)
