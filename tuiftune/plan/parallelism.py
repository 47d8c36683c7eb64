"""The number of GPUs and processes of a run, each with its share of a step: a copy of the model each (DDP),
one model that they share (FSDP2), or copies that divide gradients and states (ZeRO-2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.figures import plural
from tuiftune.plan.device import BUSY
from tuiftune.plan.model import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.plan.device import Device
    from tuiftune.preset.schema import Preset

NONE, DDP, FSDP, OFFLOADED = "none", "ddp", "fsdp", "fsdp_offload"  # values of hardware.parallel
SHARDED = (FSDP, OFFLOADED)
ZERO = "zero2"  # of it, too
WORTH = 1.1  # more GPUs are used only if they are at least this many times as fast


@dataclass(frozen=True, slots=True)
class Spread:
    """So many processes, what each has of the device, `hardware.gpus` to say so, and how they share."""

    copies: int
    device: Device
    gpus: int | list[int]
    parallel: str = NONE

    @property
    def sharded(self) -> bool:
        """Return True if the processes share one model."""
        return self.parallel in SHARDED


def ways(preset: Preset, device: Device) -> tuple[Spread, ...]:
    """The one that the preset asks for, or every number of idle GPUs that can share a step, fewest first.

    With `hardware.parallel` at auto, a copy of the model each. UserError where GPUs and processes differ, or
    more are asked for than there are, or too few to share a model.
    """
    asked = preset.hardware.parallel
    found = _counted(preset, device)
    if asked == OFFLOADED and device.kind == "cpu":
        raise UserError(
            "there is no GPU from which shards could be moved to RAM",
            place="hardware.parallel",
            remedy=f"use {FSDP}",
        )
    if asked == NONE:
        found = tuple(way for way in found if way.copies == 1)
    elif asked in (*SHARDED, ZERO):
        found = shared(found, asked)
    if not found:
        one = asked == NONE
        raise UserError(
            "several processes cannot train without sharing the work"
            if one
            else f"{asked} needs 2 or more processes",
            place="hardware.parallel",
            remedy=f"use auto, {DDP} or {FSDP}" if one else "set hardware.gpus or hardware.processes",
        )
    return found


def shared(found: Sequence[Spread], parallel: str) -> tuple[Spread, ...]:
    """The same GPUs with one model that they share, or whose states they divide, where there are several."""
    return tuple(replace(way, parallel=parallel) for way in found if way.copies > 1)


def _counted(preset: Preset, device: Device) -> tuple[Spread, ...]:
    gpus, processes = preset.hardware.gpus, preset.hardware.processes
    if device.kind == "cpu":
        return (_on_processor(device, 1 if processes == "auto" else processes),)
    if gpus == "auto" and processes == "auto":
        return tuple(_on_gpus(device, number) for number in _numbers(preset, device))
    count, place = (processes, "hardware.processes") if gpus == "auto" else (_number(gpus), "hardware.gpus")
    assert count != "auto"
    if processes not in ("auto", count):
        raise UserError(
            f"{plural(int(processes), 'process', 'processes')} cannot use {plural(int(count), 'GPU')}: one "
            "GPU each",
            place="hardware.processes",
            remedy="leave it at auto",
        )
    if count > device.count:
        have = "1 GPU" if device.count == 1 else f"{device.count} GPUs"
        raise UserError(
            f"{count} GPUs requested, {have} available",
            place=place,
            remedy=f"use at most {device.count}",
        )
    return (_on_gpus(device, count, gpus if isinstance(gpus, list) else None),)


def reasons(
    preset: Preset, device: Device, chosen: Spread, gain: float | None, missing: str = ""
) -> tuple[Reason, ...]:
    """Return reasons for GPUs, processes and how they share. `gain`: speed relative to one GPU; None if not
    compared. `missing`: why a copy does not fit on each GPU.
    """
    hardware, copies = preset.hardware, chosen.copies
    why = f"each of {copies} GPUs trains a full copy"
    if chosen.sharded:
        why = f"each of {copies} GPUs holds 1/{copies} of the model"
    if device.kind == "cpu":
        why = "No GPU found, so training runs on the CPU"
    elif copies == 1:
        why = "one process" + (
            f"; more of the {device.count} GPUs would be less than {WORTH:g}× faster"
            if hardware.gpus == "auto" and device.count > 1
            else ""
        )
    elif gain is not None and not chosen.sharded:
        why += f": {gain:.1f}× faster than 1 GPU (predicted)"
    if isinstance(chosen.gpus, list) and not isinstance(hardware.gpus, list):
        why += "; other processes use memory of the remaining GPUs"
    rows = preset.training.effective_batch
    share = f"each with {rows // copies} of {rows} rows per step"
    kind = "FSDP2" if chosen.sharded else "ZeRO-2" if chosen.parallel == ZERO else "DDP"
    processes = "one process" if copies == 1 else f"data parallel ({kind}), {share}"
    return (
        Reason("hardware.gpus", chosen.gpus, why, _source(hardware.gpus)),
        Reason("hardware.processes", copies, processes, _source(hardware.processes)),
        Reason("hardware.parallel", chosen.parallel, _why(chosen, missing), _source(hardware.parallel)),
    )


def _why(chosen: Spread, missing: str) -> str:
    if chosen.parallel == NONE:
        return "one process has nothing to share"
    if chosen.parallel == DDP:
        return "a copy of the model fits on each GPU: only gradients are exchanged, once per step"
    if chosen.parallel == ZERO:
        return "each process holds all weights, and its part of their gradients and optimizer states"
    told = missing or "each process holds its share of parameters, gradients and optimizer states"
    if chosen.parallel == OFFLOADED:
        either = "; shards do not fit either" if missing else ""
        return f"{told}{either}; they are kept in RAM between the steps, which is much slower"
    between = f"{chosen.device.exchange / 1e9:.0f} GB/s between GPUs"
    link = "" if chosen.device.kind == "cpu" else f" ({between})"
    return f"{told}; weights are gathered layer by layer{link}"


def _source(asked: int | list[int] | str) -> str:
    return "prediction" if asked == "auto" else "preset"


def _number(gpus: int | list[int] | str) -> int:
    return len(gpus) if isinstance(gpus, list) else int(gpus)


def _numbers(preset: Preset, device: Device) -> Sequence[int]:
    """Powers of two, and all there are, that divide the effective batch. `NAME:COUNT`: that."""
    if device.source != "detected":
        return (device.count,)
    idle = sum(device.memory - free <= BUSY for _, free in device.free) or 1
    sizes = {idle, *(1 << power for power in range(idle.bit_length()))}
    return sorted(size for size in sizes if preset.training.effective_batch % size == 0)


def _on_processor(device: Device, copies: int) -> Spread:
    """Each process has its part of the CPU and of its memory."""
    if copies == 1:
        return Spread(1, device, 1)
    part = replace(
        device,
        memory=device.memory // copies,
        capacity=device.capacity // copies,
        flops=device.flops / copies,
        bandwidth=device.bandwidth / copies,
    )
    return Spread(copies, part, 1, DDP)


def _on_gpus(device: Device, count: int, asked: list[int] | None = None) -> Spread:
    """The fullest GPU decides what each may hold. Those in use come last, unless asked for."""
    parallel = DDP if count > 1 else NONE
    if not device.free:
        return Spread(count, device, asked or count, parallel)
    there = dict(device.free)
    for index in asked or ():
        if index not in there:
            raise UserError(
                f"GPU {index} does not exist here, or is not a {device.name}",
                place="hardware.gpus",
                remedy=f"use one of {', '.join(map(str, sorted(there)))}",
            )
    by_use = sorted(there, key=lambda index: (device.memory - there[index] > BUSY, index))
    gpus = asked or sorted(by_use[:count])
    free = min(there[index] for index in gpus)
    first = list(there)[:count]
    return Spread(
        count,
        replace(device, capacity=min(device.limit, free)),
        asked or (count if gpus == first else gpus),
        parallel,
    )
