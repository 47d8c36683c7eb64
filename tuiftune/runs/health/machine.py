"""Rules on the GPUs: heat and power, waiting for data, memory that is idle or nearly used up."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from tuiftune.figures import percent, size
from tuiftune.runs.health.remark import Remark, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Faster, Planned
    from tuiftune.runs.state.run_state import RunState

READINGS = 10  # while training, before a GPU is judged: 20 s of them
THROTTLED_SHARE = 0.5  # of the latest readings
BY_DESIGN = ("power cap", "clocks set", "sync boost", "display clock", "idle")  # limits that were set
UTILISATION_LOW = 60.0  # per cent, median
DATA_WAIT = 0.2  # of a step's time, median
DATA_STEPS = 20
IDLE_SHARE = 0.25  # of the GPU's memory, at its fullest …
SPARED = 0.05  # … of which so much is kept free
MATTERS = 0.005  # less than that of the GPU is not what idle memory is spent on
WORTH = 1.1  # times the speed
SETTLED_STEPS = 20  # the fullest a GPU gets shows in its first steps
NEARLY_FULL = 0.97


def _throttled(state: RunState, planned: Planned) -> Iterator[Remark]:
    for gpu in state.gpus:
        latest = state.gpu_curves[gpu.index].latest
        times = [cause for reading in latest for cause in reading.throttle]
        lasting = [one for one in dict.fromkeys(times) if times.count(one) >= THROTTLED_SHARE * len(latest)]
        harmful = [cause for cause in lasting if cause.lower() not in BY_DESIGN]
        share = percent(THROTTLED_SHARE)
        why = f"the driver gave this reason at {share} of the last {len(latest)} readings or more"
        if harmful:
            hot = "" if gpu.temperature_c is None else f" at {gpu.temperature_c:.0f} °C"
            yield Remark(
                "throttled",
                "warning",
                "GPU throttled",
                f"GPU {gpu.index} is throttled{hot}: {', '.join(harmful)}",
                "check cooling and power supply, or use another machine; the result is not affected",
                why,
            )
        elif "power cap" in lasting:
            yield Remark(
                "power_cap",
                "info",
                "at the power limit",
                f"GPU {gpu.index} is at its power limit, which is usual under full load",
                "nothing to fix; see with `nvidia-smi -q -d POWER` if the limit was lowered",
                why,
            )


def _data_bound(state: RunState, planned: Planned) -> Iterator[Remark]:
    waited = median(state.curves["data_wait"].values()[-DATA_STEPS:])
    if waited >= DATA_WAIT:
        yield Remark(
            "data_bound",
            "warning",
            "waiting for data",
            f"{percent(waited)} of each step is spent waiting for rows",
            "stop other programs that use the CPU, or move the cache to a faster disk",
            f"the wait for each batch is measured; the median of the last {DATA_STEPS} steps is above "
            f"{percent(DATA_WAIT)}",
        )


def _memory(state: RunState, planned: Planned) -> Iterator[Remark]:
    idle = idle_memory(state)
    if idle is None:
        return
    index, free, total = idle
    faster = uses_idle(free, total, planned)
    if faster is not None:
        yield Remark(
            "memory_unused",
            "info",
            f"{size(free)} idle",
            f"GPU {index} has {size(free)} of {size(total)} unused memory. Next run: "
            f"{faster.says.partition(':')[0]}, {faster.times:.1f}× faster",
            f"--set {' --set '.join(faster.changes)} ({faster.says.partition(': ')[2]}, predicted)",
            f"at the peak more than {percent(IDLE_SHARE)} of the GPU memory is free, and an alternative of "
            "the "
            f"plan that needs {size(faster.extra)} more is at least {WORTH:g} times as fast",
        )


def _tight(state: RunState, planned: Planned) -> Iterator[Remark]:
    for gpu in state.gpus:
        highest = state.gpu_curves[gpu.index].curves["memory_used"].highest
        if highest is None or not gpu.memory_total:
            continue
        held, reserved, allocated = highest, state.memory.reserved, state.memory.allocated
        if reserved and allocated and len(state.gpus) == 1:  # what is only kept in reserve can be given back
            held = max(0.0, highest - reserved) + allocated
        share = held / gpu.memory_total
        if share > NEARLY_FULL:
            yield Remark(
                "memory_tight",
                "warning",
                "GPU memory nearly full",
                f"memory of GPU {gpu.index} is {percent(share)} full",
                "a longer row may not fit: use a smaller micro-batch size or data.max_length",
                f"more than {percent(NEARLY_FULL)} of the GPU memory was in use at the peak",
            )


def _idle(state: RunState, planned: Planned) -> Iterator[Remark]:
    for gpu in state.gpus:
        latest = [reading.utilisation for reading in state.gpu_curves[gpu.index].latest]
        busy = [value for value in latest if value is not None]
        if len(busy) >= READINGS and median(busy) < UTILISATION_LOW:
            best = next((one for one in planned.faster if one.times >= WORTH), None)
            advice = f"next run: --set {' --set '.join(best.changes)}: {best.says}" if best else ""
            yield Remark(
                "gpu_idle",
                "info",
                "GPU often idle",
                f"GPU {gpu.index} is busy only {median(busy):.0f}% of the time",
                advice or "use a larger micro-batch size or packing; a small model may not use all of it",
                f"the median of the last {len(busy)} readings in training is below {UTILISATION_LOW:.0f}%",
            )


def idle_memory(state: RunState) -> tuple[int, float, float] | None:
    """The fullest GPU's index, the bytes that were free at its fullest, and all it has."""
    found = []
    for gpu in state.gpus:
        highest = state.gpu_curves[gpu.index].curves["memory_used"].highest
        if highest is not None and gpu.memory_total:
            found.append((gpu.index, gpu.memory_total - highest, gpu.memory_total))
    return min(found, key=lambda one: one[1], default=None)


def uses_idle(free: float, total: float, planned: Planned) -> Faster | None:
    """The fastest alternative of the plan that the idle memory would pay for."""
    if free < IDLE_SHARE * total:
        return None
    least, most = MATTERS * total, free - SPARED * total
    return next((one for one in planned.faster if one.times >= WORTH and least < one.extra <= most), None)


def _trained_on_gpus(state: RunState, planned: Planned) -> bool:
    return bool(state.gpus) and all(len(state.gpu_curves[gpu.index].latest) >= READINGS for gpu in state.gpus)


def _filled(state: RunState, planned: Planned) -> bool:
    seen = [state.gpu_curves[gpu.index].curves["memory_used"] for gpu in state.gpus]
    return bool(seen) and state.step >= SETTLED_STEPS and all(curve.count >= READINGS for curve in seen)


def _has_gpus(state: RunState, planned: Planned) -> bool:
    return state.end is None and bool(state.gpus)


def _now(state: RunState, planned: Planned) -> bool:
    return state.end is None and _trained_on_gpus(state, planned)


RULES = (
    Rule("GPU", _throttled, _now, _has_gpus),
    Rule("GPU", _idle, _now, _has_gpus),
    Rule(
        "data",
        _data_bound,
        lambda state, _: len(state.curves["data_wait"]) >= DATA_STEPS,
        lambda state, _: state.end is None and len(state.curves["data_wait"]) > 0,
    ),
    Rule("memory", _memory, _filled, _has_gpus),
    Rule("memory", _tight, _now, _has_gpus),
)
