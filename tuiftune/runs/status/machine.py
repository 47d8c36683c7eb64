"""The machine under training, a line a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.figures import percent, size
from tuiftune.runs.health.machine import BY_DESIGN
from tuiftune.runs.state.narrate import links_line
from tuiftune.runs.status.fact import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.readings import GpuReading
    from tuiftune.runs.state.run_state import RunState

CAUSES = {
    "power cap": "at its power limit: usual under full load",
    "clocks set": "its clocks were set manually",
    "hw slowdown": "throttled by the hardware (heat or power supply)",
    "sync boost": "synchronized with another GPU",
    "sw thermal": "hot: the driver lowers its clocks",
    "hw thermal": "too hot: the hardware halves its clocks",
    "power brake": "throttled by the power supply",
    "display clock": "limited by the display clock",
    "board limit": "at the limit of its board",
    "reliability": "limited to stay reliable",
}


def facts(state: RunState, planned: Planned) -> Iterator[Fact]:
    """Each GPU in a line, then the CPU."""
    for gpu in state.gpus:
        harmful = [cause for cause in gpu.throttle if cause.lower() not in BY_DESIGN]
        yield Fact("machine", f"GPU {gpu.index}", gpu_line(gpu), _why(gpu), "warning" if harmful else "")
    if (links := state.links) is not None and links.rate is not None:
        basis = "" if links.expected is None else "; the expected value is that of the plan's table of GPUs"
        yield Fact(
            "machine",
            "links",
            links_line(links),
            f"bus bandwidth of an all-reduce between {links.processes} processes, measured before the first "
            f"step{basis}",
            "warning" if links.slow else "",
        )
    if state.host.cpu is not None:
        yield Fact(
            "machine",
            "CPU",
            f"{state.host.cpu:.0f}%",
            "mean load of all CPU cores at the latest reading; the CPU loads data and writes checkpoints",
        )
    if state.values.get("data_wait") is not None:
        yield Fact(
            "machine",
            "data wait",
            f"{percent(state.values.get('data_wait'))} of a step",
            "the share of the latest step spent waiting for rows; from a fifth on, loading the data "
            "slows training down",
        )


def gpu_line(gpu: GpuReading) -> str:
    """ "93% busy, 71.0 GiB of 141 GiB, 612 W, 61 °C, power cap"; what isn't known is left out."""
    parts = [] if gpu.utilisation is None else [f"{gpu.utilisation:.0f}% busy"]
    if gpu.memory_used is not None:
        of = f" of {size(gpu.memory_total)}" if gpu.memory_total else ""
        parts.append(f"{size(gpu.memory_used)}{of}")
    parts += [] if gpu.power_w is None else [f"{gpu.power_w:.0f} W"]
    parts += [] if gpu.temperature_c is None else [f"{gpu.temperature_c:.0f} °C"]
    return ", ".join([*parts, *gpu.throttle]) or "no response"


def _why(gpu: GpuReading) -> str:
    causes = "; ".join(f"{cause}: {CAUSES.get(cause, 'as the driver calls it')}" for cause in gpu.throttle)
    return f"{gpu.name or 'the GPU'}, as its driver reports every two seconds. " + (
        f"It is throttled: {causes}" if causes else "It is not throttled"
    )
