"""The GPU (or CPU) a plan is made for: how much memory it has, how fast it computes, what an hour costs."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.figures import size
from tuiftune.preset.sizes import GIB

if TYPE_CHECKING:
    from tuiftune.hardware.known_gpus import KnownGpu
    from tuiftune.hardware.machine import Gpu, Machine
    from tuiftune.preset.schema import Preset

_CPU_FLOPS_A_CORE = (
    2.5e10  # float32 matrix products through oneDNN, sustained; two server cores measured 20–60
)
_CPU_BANDWIDTH = 2.0e10
# What a desktop may come to hold beyond what it holds now: a browser's windows, a video, a second screen.
DESKTOP = GIB // 2
NEAR = 0.02  # of the limit; nearer is told, since one more program on the GPU would be too much
BUSY = 2 * GIB  # bytes that others hold of a GPU, from which on it is left to them unless it is asked for


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU of `count` equal ones. `capacity` is what a run may use of `memory`, in bytes; `limit` is the
    preset's bound on it. `free`: each GPU's number and its bytes that nobody holds, in the machine's order.

    `flops`: dense 16-bit operations a second on the data sheet; `bandwidth`: of its memory, `exchange`: from
    GPU to GPU, both in bytes a second.
    """

    kind: str  # "cuda" or "cpu"
    name: str
    memory: int
    capacity: int
    count: int
    flops: float
    bandwidth: float
    exchange: float
    bf16: bool
    source: str  # "detected" or "--gpu"
    fp8: bool = False
    usd_per_hour: float | None = None  # one GPU, middle of the price range
    price_basis: str = ""
    correction: float = 1.0  # of predicted needs, from preflight checks on this very GPU
    notes: tuple[str, ...] = ()
    free: tuple[tuple[int, int], ...] = ()
    limit: int = sys.maxsize
    ram: int = sys.maxsize  # bytes that nobody holds, where the machine is here


MOST_GPUS = 1024  # of one machine, with much to spare


def parse_gpu(text: str) -> tuple[str, int | None]:
    """`NAME[:COUNT]` → (name, count or None). Raises UserError for a count that is no positive number."""
    name, colon, count = text.rpartition(":")
    if not colon:
        return text.strip(), None
    shown = count if len(count) <= 40 else f"{count[:39]}…"
    if not count.strip().isdecimal() or not count.strip().strip("0"):
        raise UserError(
            f"{shown!r} is not a valid number of GPUs", place="--gpu", remedy="write it like H100:2"
        )
    if len(count.strip().lstrip("0")) > len(str(MOST_GPUS)) or int(count) > MOST_GPUS:
        raise UserError(
            f"{shown} GPUs are more than one machine has", place="--gpu", remedy=f"use at most {MOST_GPUS}"
        )
    return name.strip(), int(count)


def device_of(preset: Preset, machine: Machine, gpu: str | None) -> Device:
    """The device a preset runs on: `--gpu` before the detected GPUs before the CPU; memory_limit applied.

    Raises UserError for an unknown GPU, more GPUs than there are, or a senseless memory limit.
    """
    if gpu is not None:
        device = _named(gpu)
    elif machine.gpus:
        device = _detected(machine)
    else:
        device = _cpu(machine)
    limit = preset.hardware.memory_limit_bytes
    return device if limit is None else replace(device, capacity=min(device.capacity, limit), limit=limit)


def _named(text: str) -> Device:
    from tuiftune.hardware import known_gpus

    name, count = parse_gpu(text)
    known = known_gpus.find(name)
    usd, priced = _price(known)
    return Device(
        kind="cuda",
        name=known.name,
        memory=known.memory_bytes,
        capacity=known.usable_bytes,
        count=count or 1,
        flops=known.bf16_tflops * 1e12,
        bandwidth=known.bandwidth,
        exchange=known.exchange,
        bf16=known.compute_capability >= (8, 0),
        fp8=known.fp8,
        source="--gpu",
        usd_per_hour=usd,
        price_basis=priced,
    )


def _detected(machine: Machine) -> Device:
    from tuiftune.hardware import experience, known_gpus

    first: Gpu = machine.gpus[0]
    notes: list[str] = []
    try:
        known = known_gpus.find(first.name)
    except UserError:
        known = None
    correction = experience.correction(first.name)
    if correction.why:
        notes.append(correction.why)
    memory = first.memory_total or (known.memory_bytes if known else None)
    if memory is None:
        raise UserError(
            f"the memory of {first.name} cannot be read",
            place="hardware",
            remedy="name the GPU with --gpu NAME",
        )
    usable = _usable(known, memory)
    if known is None:
        notes.append(
            f"The speed of {first.name} is unknown: an A100's is used, so the time is a rough guess."
        )
        known = known_gpus.find("A100-80GB")
        usd, priced = None, ""
    else:
        usd, priced = _price(known)
    equal = tuple(g for g in machine.gpus if g.name == first.name)
    if len(equal) < len(machine.gpus):
        notes.append(f"The GPUs differ, so the plan is for {first.name} only.")
    free = tuple((g.index, _free(g, usable)) for g in equal)
    if any(g.draws for g in equal):
        notes.append(
            f"A desktop uses this GPU: {size(DESKTOP)} more than its present use are reserved for it."
        )
    for gpu in equal:
        held = memory - gpu.memory_free if gpu.memory_free is not None else 0
        if held > BUSY:
            which = "the GPU" if len(free) == 1 else f"GPU {gpu.index}"
            notes.append(f"Other processes use {size(held)} of {which}.")
    return Device(
        kind="cuda",
        name=first.name,
        memory=memory,
        capacity=max(left for _, left in free),
        count=len(equal),
        free=free,
        flops=known.bf16_tflops * 1e12,
        bandwidth=known.bandwidth,
        exchange=known.exchange,
        bf16=bool(first.bf16 if first.bf16 is not None else known.compute_capability >= (8, 0)),
        fp8=(first.compute_capability or known.compute_capability) >= known_gpus.FP8_SINCE,
        source="detected",
        notes=tuple(notes),
        correction=correction.factor,
        usd_per_hour=usd,
        price_basis=priced,
        ram=machine.host.memory_available,
    )


def _usable(known: KnownGpu | None, memory: int) -> int:
    """What CUDA gives of a GPU: by the table where it is in it, else all that the driver counts."""
    alike = known is not None and abs(known.memory_bytes - memory) <= 0.02 * memory  # 3080s have 10 or 12 GB
    return known.usable_bytes if known is not None and alike else memory


def _free(gpu: Gpu, usable: int) -> int:
    """Bytes of a GPU that a run may take: those that nobody holds, without what a desktop there may want."""
    free = usable if gpu.memory_free is None else min(gpu.memory_free, usable)
    return max(0, free - DESKTOP) if gpu.draws else free


def near(needs: int, capacity: int) -> bool:
    """Whether a bound fits, and so closely that it should be said."""
    return (1 - NEAR) * capacity < needs <= capacity


def _cpu(machine: Machine) -> Device:
    return Device(
        kind="cpu",
        name="cpu",
        memory=machine.memory,
        capacity=min(machine.memory, machine.host.memory_available),
        count=1,
        flops=machine.host.cores * _CPU_FLOPS_A_CORE,
        bandwidth=_CPU_BANDWIDTH,
        exchange=_CPU_BANDWIDTH,
        bf16=False,
        source="detected",
        ram=machine.host.memory_available,
    )


def _price(known: KnownGpu) -> tuple[float | None, str]:
    """The middle of the table's range for one GPU, in US dollars an hour; and the range with its date."""
    low, high = known.usd_per_hour_low, known.usd_per_hour_high
    if low is None or high is None:
        return None, ""
    date = known.price_date
    return (
        low + high
    ) / 2, f"${low:.2f}–{high:.2f} an hour as of {date}{age_of(date, time.gmtime().tm_year)}"


def age_of(date: str, year: int) -> str:
    """How old a price is in `year`, in words after its date; nothing where it is of that year."""
    found = re.search(r"\b20\d\d\b", date)
    years = year - int(found.group()) if found else 0
    if years < 1:
        return ""
    return ", 1 year old" if years == 1 else f", {years} years old"
