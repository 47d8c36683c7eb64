"""Memory on the GPU, and disk: what was predicted, what is there, what is needed next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import duration, percent, size, sizes
from tuiftune.runs.health.machine import idle_memory, uses_idle
from tuiftune.runs.state import ahead
from tuiftune.runs.status.fact import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.readings import MemoryReading
    from tuiftune.runs.state.run_state import RunState

WHAT = {
    "reserved": "PyTorch's allocator at its peak",
    "device": "all GPU memory in use now, including the driver's context and other programs",
}


def memory(state: RunState, planned: Planned) -> Iterator[Fact]:
    """Predicted against measured, preflight check, what stays idle, the host."""
    compared = _compared(state.memory)
    if compared is not None:
        value, why, over = compared
        on_gpu = bool(state.gpus)
        yield Fact(
            "memory",
            "on the GPU" if on_gpu else "the process",
            value,
            why if on_gpu else "resident memory of the training process: there is no GPU",
            "warning" if over else "",
        )
    preflight = _compared(state.preflight)
    if preflight is not None:
        value, _, over = preflight
        yield Fact(
            "memory",
            "preflight",
            value,
            "two updates and an evaluation on the longest rows before training: the most this run needs",
            "warning" if over else "",
        )
    if planned.needs and planned.capacity and state.gpus:
        yield Fact(
            "memory",
            "bound",
            " of ".join(sizes(planned.needs, planned.capacity)),
            "the prediction with its safety margin, which must fit into the GPU's free memory",
        )
    idle = idle_memory(state)
    if idle is not None:
        _, free, total = idle
        faster = uses_idle(free, total, planned)
        use = f"; {faster.says}" if faster else "; no alternative of the plan would use it for more speed"
        yield Fact("memory", "idle", f"{size(free)} of {size(total)}", f"free at the peak{use}")
    host = state.host
    if host.memory_used is not None and host.memory_total:
        own = f"; {size(host.process_memory)} of it by the training process" if host.process_memory else ""
        yield Fact(
            "memory",
            "RAM",
            f"{size(host.memory_used)} of {size(host.memory_total)}",
            f"RAM in use{own}",
        )


def disk(state: RunState, planned: Planned) -> Iterator[Fact]:
    """Free space, the next checkpoint and the last one."""
    needed, free = ahead.next_bytes(state), state.host.disk_free
    if free is not None:
        tight = needed is not None and free < 2 * needed and state.end is None
        yield Fact(
            "disk",
            "disk free",
            size(free),
            "on the disk of the run's directory; a new checkpoint is saved before an old one is deleted",
            "warning" if tight else "",
        )
    coming = ahead.upcoming(state, planned)
    if coming is not None:
        when = "" if coming.seconds is None else f", in {duration(coming.seconds)}"
        room = "" if coming.bytes is None else f", {size(coming.bytes)}"
        basis = (
            "as large as the last one" if state.checkpoints else "at most 12 bytes per trainable parameter"
        )
        yield Fact(
            "disk",
            "next save",
            f"step {coming.step:,}{when}{room}",
            f"every {planned.save_every or 0:,} steps, and at least every five minutes; {basis}",
        )
    if state.checkpoints:
        last = state.checkpoints[-1]
        took = "" if last.seconds is None else f" in {_brief(last.seconds)}"
        room = "" if last.bytes is None else f", {size(last.bytes)}"
        yield Fact(
            "disk",
            "last save",
            f"step {last.step:,}{room}{took}",
            "weights, optimizer, schedule and random state, each file with a hash, so a resume is bit-exact",
        )


def _compared(reading: MemoryReading) -> tuple[str, str, bool] | None:
    """Return measured and predicted memory in words, why, and whether it is more."""
    pair = reading.pair
    if pair is None:
        return None
    name, measured, predicted = pair
    if not predicted:
        return size(measured), f"{WHAT[name]}; not predicted", False
    off = measured / predicted - 1
    side = "as predicted" if abs(off) < 0.005 else f"{percent(abs(off))} {'above' if off > 0 else 'below'}"
    return (
        "{}, {} predicted".format(*sizes(measured, predicted)),
        f"{WHAT[name]}: {side}{' the prediction' if side != 'as predicted' else ''}. It may "
        "grow until the longest rows were trained on",
        off > 0.005,
    )


def _brief(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
