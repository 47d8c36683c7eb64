"""What lies between the processes of a run, measured before the first step: bandwidth, peer access, versions.

Bandwidth is that of an all-reduce, as NCCL's tests count it: bytes × 2 (n - 1) / n / seconds
(nccl-tests, doc/PERFORMANCE.md, bus bandwidth).
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.engine.distributed import whereabouts
from tuiftune.errors import UserError
from tuiftune.runs.state.readings import FAR_BELOW

if TYPE_CHECKING:
    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.process.report import Report

BYTES = {"cuda": 256 * 1024**2, "cpu": 8 * 1024**2}  # smaller ones do not reach the links' bandwidth
SHARE = 8  # of a GPU's free memory, at most one part of so many
WARM_UPS, ROUNDS = 2, 5
SAYS_NO = "NCCL_P2P_DISABLE"


@dataclass(frozen=True, slots=True)
class Side:
    """What one process knows: its machine, GPU and libraries. `without_peer`: pairs that lack peer access."""

    host: str
    gpu: str | None
    torch: str
    nccl: str | None
    without_peer: tuple[tuple[int, int], ...] | None


def check(group: Group, device: str, report: Report) -> None:
    """Measure what lies between the processes, and tell it; nothing for a single one.

    UserError where their NCCL differs: they would wait for each other without end.
    """
    if group.size == 1:
        return
    report.phase("loading", "measuring the links between the processes")
    sides = group.gather(side(device))
    _refuse_mixed(sides)
    group.whereabouts.mark(whereabouts.LINKS)
    size, seconds = _measured(device)
    group.whereabouts.leave()
    seconds = max(group.gather(seconds))
    rate = 2 * (group.size - 1) / group.size * size / seconds
    hosts = sorted({one.host for one in sides})
    expected = _expected(sides)
    without = sides[0].without_peer
    report.emit(
        "links",
        processes=group.size,
        hosts=hosts,
        backend="nccl" if device == "cuda" else "gloo",
        bytes=size,
        seconds=seconds,
        bytes_per_second=round(rate),
        expected=expected,
        peer_access=None if without is None else not without,
        without_peer=[list(pair) for pair in without or ()],
        torch=sides[0].torch,
        nccl=sides[0].nccl,
    )
    if expected and rate < FAR_BELOW * expected:
        report.warning("slow_links", *_slow(rate, expected, sides[0]))


def side(device: str) -> Side:
    """What this process knows."""
    import torch

    if device != "cuda":
        return Side(socket.gethostname(), None, str(torch.__version__), None, None)
    version = torch.cuda.nccl.version()
    return Side(
        socket.gethostname(),
        torch.cuda.get_device_name(),
        str(torch.__version__),
        ".".join(map(str, version)) if isinstance(version, tuple) else str(version),
        _without_peer(torch.cuda.device_count()),
    )


def _without_peer(count: int) -> tuple[tuple[int, int], ...]:
    import torch

    pairs = [(one, other) for one in range(count) for other in range(one + 1, count)]
    return tuple(pair for pair in pairs if not torch.cuda.can_device_access_peer(*pair))


def _refuse_mixed(sides: list[Side]) -> None:
    first = sides[0]
    for rank, other in enumerate(sides):
        if other.nccl != first.nccl:
            raise UserError(
                f"process {rank + 1} of {len(sides)} ({other.host}) has NCCL {other.nccl}, process 1 "
                f"({first.host}) has {first.nccl}",
                place="NCCL",
                remedy="install the same PyTorch on all machines",
            )


def _measured(device: str) -> tuple[int, float]:
    """Bytes that all processes add up, and the seconds that it takes, in the mean of a few rounds."""
    import torch
    import torch.distributed as dist

    size = BYTES[device]
    if device == "cuda":
        size = max(1, min(size, torch.cuda.mem_get_info()[0] // SHARE))
    data = torch.zeros(size // 4, dtype=torch.float32, device=device)
    for _ in range(WARM_UPS):
        dist.all_reduce(data)
    if device == "cuda":
        torch.cuda.synchronize()
    began = time.monotonic()
    for _ in range(ROUNDS):
        dist.all_reduce(data)
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = (time.monotonic() - began) / ROUNDS
    del data
    if device == "cuda":
        torch.cuda.empty_cache()
    return size, seconds


def _expected(sides: list[Side]) -> float | None:
    """Bytes a second that the plan counts with; None on a CPU, over several machines, or for unknown GPUs."""
    from tuiftune.hardware.known_gpus import find

    names = {one.gpu for one in sides}
    name = names.pop()
    if name is None or names or len({one.host for one in sides}) > 1:
        return None
    try:
        return find(name).exchange
    except UserError:
        return None


def _slow(rate: float, expected: float, first: Side) -> tuple[str, str]:
    """What is slow, why as far as that is known, and what to do."""
    said = f"the GPUs exchange {rate / 1e9:.1f} GB/s"
    said += f"; the plan counts on {expected / 1e9:.0f} GB/s, so steps take longer than predicted"
    if os.environ.get(SAYS_NO, "0") not in ("", "0"):
        return f"{said}: {SAYS_NO} is set", f"unset {SAYS_NO}, or use one GPU: hardware.gpus=1"
    if first.without_peer:
        one, other = first.without_peer[0]
        why = f"GPU {one} and GPU {other} have no peer access, so that all goes through RAM"
        return (
            f"{said}: {why}",
            "see `nvidia-smi topo -m`; rent GPUs with NVLink, or use one: hardware.gpus=1",
        )
    return said, "see `nvidia-smi topo -m` for how the GPUs are connected, and if other programs use them"
