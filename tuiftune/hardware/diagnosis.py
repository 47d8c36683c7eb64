"""What works on this machine, what is missing, and what to do about it: one finding a line."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tuiftune.errors import UserError
from tuiftune.hardware.disks import nearest_existing
from tuiftune.preset.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.hardware.libraries import Library, TorchBuild
    from tuiftune.hardware.machine import Disk, Gpu, Machine

State = Literal["ok", "warn", "bad", "info"]
_GIB = 1024**3

# An 8B model in 16 bits is 16 GB to download, plus some checkpoints; a small run needs a few GiB.
_ROOMY, _TIGHT = 40 * _GIB, 2 * _GIB
# What a driver and a desktop hold of a GPU that nobody computes on.
_IDLE_GPU = 2 * _GIB
# CUDA 13 runs on Turing (7.5) and later; Maxwell, Pascal and Volta ended with 12 (its release notes).
_CUDA_13_LEAST = (7, 5)
_HOT = {"hw thermal", "sw thermal", "hw slowdown", "power brake"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`essential` and bad together mean that no training can run at all."""

    topic: str
    state: State
    what: str
    remedy: str = ""
    essential: bool = False


def diagnose(
    machine: Machine, libraries: tuple[Library, ...], torch: TorchBuild | None, runs: Path
) -> tuple[Finding, ...]:
    """Every finding about machine, GPUs, libraries and disks. `runs`: where runs are to be written."""
    return (
        *_host(machine),
        *_gpus(machine, torch),
        *_libraries(machine, libraries),
        *_disks(machine, runs),
    )


def stands(findings: tuple[Finding, ...]) -> bool:
    """Whether nothing essential is missing."""
    return not any(finding.essential and finding.state == "bad" for finding in findings)


def _host(machine: Machine) -> Iterator[Finding]:
    host = machine.host
    yield Finding("machine", "info", f"{host.system}, {host.cpu}, {host.cores} cores")
    old = sys.version_info < (3, 11)
    yield Finding(
        "machine",
        "bad" if old else "ok",
        f"Python {host.python}",
        "install Python 3.11 or newer" if old else "",
        essential=True,
    )
    limit = f", of which this process may use {format_size(machine.memory)}" if host.memory_limit else ""
    low = host.memory_available < 4 * _GIB
    yield Finding(
        "machine",
        "warn" if low else "ok",
        f"RAM {format_size(host.memory_total)}{limit}; {format_size(host.memory_available)} free",
        "close other programs: loading a model needs about its size in RAM" if low else "",
    )


def _gpus(machine: Machine, torch: TorchBuild | None) -> Iterator[Finding]:
    if machine.nvml_fault is not None:
        what, _, remedy = machine.nvml_fault.partition(". ")
        yield Finding("cards", "warn", what, remedy)
    if not machine.gpus:
        yield Finding("cards", "info", "no GPU, so training runs on the CPU: enough for the demo")
        return
    yield Finding(
        "cards",
        "ok",
        f"driver {machine.driver or 'unknown'}, supports CUDA up to {machine.cuda or 'unknown'}",
    )
    for gpu in machine.gpus:
        yield from _gpu(gpu)
    if torch is not None:
        yield _torch_matches(machine, torch)


def _gpu(gpu: Gpu) -> Iterator[Finding]:
    facts = [gpu.name, "memory not reported" if gpu.memory_total is None else format_size(gpu.memory_total)]
    if gpu.compute_capability is not None:
        facts.append("compute capability {}.{}".format(*gpu.compute_capability))
    if gpu.bf16 is not None:
        facts.append("bfloat16" if gpu.bf16 else "without bfloat16: float16 is used")
    if gpu.mig_slice_of is not None:
        facts.append(f"slice of GPU {gpu.mig_slice_of}")
    yield Finding("cards", "ok" if gpu.memory_total else "warn", f"{gpu.index}: {', '.join(facts)}")
    if gpu.memory_used is not None and gpu.memory_used > _IDLE_GPU:
        owners = ", ".join(f"{process.name} ({process.pid})" for process in gpu.processes[:3])
        yield Finding(
            "cards",
            "warn",
            f"{gpu.index}: {format_size(gpu.memory_used)} of its memory is in use"
            + (f" by {owners}" if owners else ""),
            "stop processes that you do not need, or train on another GPU",
        )
    hot = [reason for reason in gpu.throttle if reason in _HOT]
    if hot:
        yield Finding(
            "cards", "warn", f"{gpu.index}: throttled now ({', '.join(hot)})", "check its cooling and power"
        )


def _torch_matches(machine: Machine, torch: TorchBuild) -> Finding:
    if torch.cuda is None:
        return Finding(
            "cards",
            "bad",
            f"PyTorch {torch.version} is a CPU-only build, so the GPU cannot be used",
            "install the PyTorch build for your CUDA version (see the selector on pytorch.org)",
        )
    built = int(torch.cuda.split(".")[0])
    if machine.cuda is not None and int(machine.cuda.split(".")[0]) < built:
        return Finding(
            "cards",
            "bad",
            f"PyTorch is built for CUDA {torch.cuda}, but the driver supports only {machine.cuda}",
            f"update the NVIDIA driver, or install the PyTorch build for CUDA {machine.cuda.split('.')[0]}",
        )
    least = min((gpu.compute_capability for gpu in machine.gpus if gpu.compute_capability), default=None)
    if built >= 13 and least is not None and least < _CUDA_13_LEAST:
        return Finding(
            "cards",
            "bad",
            f"PyTorch is built for CUDA {torch.cuda}, which does not support capability "
            f"{least[0]}.{least[1]}",
            "install the PyTorch build for CUDA 12",
        )
    return Finding("cards", "ok", f"PyTorch {torch.version} (CUDA {torch.cuda}) works with the driver")


def _libraries(machine: Machine, libraries: tuple[Library, ...]) -> Iterator[Finding]:
    for library in libraries:
        wanted = f"{library.name}>={library.floor}"
        if library.sound:
            yield Finding("libraries", "ok", f"{library.name} {library.version}", essential=library.essential)
            continue
        there = "missing" if library.version is None else f"{library.version}, older than {library.floor}"
        yield Finding(
            "libraries",
            "bad" if library.essential else "warn",
            f"{library.name}: {there} (for {library.needed_for})",
            f"pip install '{wanted}'",
            essential=library.essential,
        )
    four_bit = next((library for library in libraries if library.name == "bitsandbytes"), None)
    if four_bit is not None and four_bit.sound:
        has = bool(machine.gpus)
        yield Finding(
            "libraries", "ok" if has else "info", "QLoRA works here" if has else "QLoRA needs a GPU"
        )


def _disks(machine: Machine, runs: Path) -> Iterator[Finding]:
    for disk, use in zip(machine.disks, ("runs", "downloaded models"), strict=False):
        yield _room(disk, "runs and downloaded models" if len(machine.disks) == 1 else use)
    try:
        there = nearest_existing(runs)
    except UserError as error:
        yield Finding("disks", "bad", f"{error.place} {error.message}", error.remedy, essential=True)
        return
    if not _may_write(there):
        yield Finding(
            "disks",
            "bad",
            f"no permission to write runs in {runs}",
            "use another directory: --runs DIR",
            essential=True,
        )


def _may_write(directory: Path) -> bool:
    return os.access(directory, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _room(disk: Disk, use: str) -> Finding:
    if not disk.total:
        what = f"the disk for {use} is full, or does not respond ({disk.path})"
        return Finding("disks", "bad", what, "use another disk", essential=True)
    what = f"{format_size(disk.free)} free for {use} ({disk.mount}, {disk.filesystem})"
    if disk.free < _TIGHT:
        return Finding("disks", "bad", what, "free some space, or use another disk", essential=True)
    if disk.free < _ROOMY:
        return Finding("disks", "warn", what, "enough for small models; an 8B model needs about 40 GiB")
    return Finding("disks", "ok", what)
