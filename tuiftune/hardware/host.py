"""The host: CPU, memory, and what the control group (a container, a batch job) leaves of them."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

import psutil

from tuiftune.hardware.machine import Host
from tuiftune.printable import printable

_ROOT = Path("/")


def read_host(root: Path = _ROOT) -> Host:
    """This host now. Memory in bytes; `cores` are those this process may use. `root`: where /proc hangs."""
    memory = psutil.virtual_memory()
    limit, _ = cgroup_memory(root)
    if limit is not None and limit >= memory.total:
        limit = None
    return Host(
        hostname=printable(platform.node()),
        system=printable(f"{platform.system()} {platform.release()}"),
        python=platform.python_version(),
        cpu=cpu_name(root),
        cores=cores(root),
        memory_total=memory.total,
        memory_available=memory_available(root),
        memory_limit=limit,
    )


def memory_available(root: Path = _ROOT) -> int:
    """Bytes of RAM that this process may still take, within its control group too."""
    available = int(psutil.virtual_memory().available)
    limit, used = cgroup_memory(root)
    return available if limit is None else min(available, max(limit - (used or 0), 0))


def cpu_name(root: Path = _ROOT) -> str:
    """The CPU's own name, or its architecture where it tells none (many ARM machines)."""
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"model name", "Model", "Hardware", "cpu model"} and value.strip():
            return printable(" ".join(value.split()))
    return platform.processor() or platform.machine()


def cores(root: Path = _ROOT) -> int:
    """Cores this process may use: its affinity, cut by the control group's quota (rounded up)."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # no affinity outside Linux
        allowed = os.cpu_count() or 1
    for directory in _cgroups(root, "cpu"):
        quota = _cpu_quota(directory)
        if quota is not None:
            allowed = min(allowed, max(math.ceil(quota), 1))
    return allowed


def cgroup_memory(root: Path = _ROOT) -> tuple[int | None, int | None]:
    """(limit, used) in bytes of the tightest control group around this process; None where there is no limit.

    `used` leaves out file cache that the kernel gives back on demand.
    """
    tightest: tuple[int, int | None] | None = None
    for directory in _cgroups(root, "memory"):
        limit = _number(directory / "memory.max") or _number(directory / "memory.limit_in_bytes")
        # Version 1 writes "no limit" as the largest page-aligned number.
        if limit is None or limit >= 1 << 60 or (tightest is not None and limit >= tightest[0]):
            continue
        used = _number(directory / "memory.current") or _number(directory / "memory.usage_in_bytes")
        cache = _statistic(directory / "memory.stat", ("inactive_file", "total_inactive_file"))
        tightest = (limit, None if used is None else max(used - cache, 0))
    return tightest or (None, None)


def _cgroups(root: Path, controller: str) -> list[Path]:
    """The control group of this process and all above it; a container may see only the top."""
    found: list[Path] = []
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            top = root / "sys/fs/cgroup" / controller
        else:
            continue
        inner = top / path.lstrip("/")
        chain = [inner, *inner.parents]
        found += chain[: chain.index(top) + 1] if top in chain else [top]
    return found


def _cpu_quota(directory: Path) -> float | None:
    whole = (_read(directory / "cpu.max") or "").split()
    if len(whole) == 2 and whole[0].isdigit() and int(whole[1]) > 0:
        return int(whole[0]) / int(whole[1])
    quota, period = _number(directory / "cpu.cfs_quota_us"), _number(directory / "cpu.cfs_period_us")
    return quota / period if quota is not None and quota > 0 and period else None


def _statistic(path: Path, names: tuple[str, ...]) -> int:
    for line in (_read(path) or "").splitlines():
        name, _, value = line.partition(" ")
        if name in names and value.isdigit():
            return int(value)
    return 0


def _number(path: Path) -> int | None:
    text = (_read(path) or "").strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")  # raw: the kernel writes it
    except OSError:  # not there, or not for us: both mean that it says nothing
        return None


def memory_kills(root: Path = _ROOT) -> int | None:
    """How many processes were killed at the memory limit of this control group so far; None if unknown."""
    for directory in _cgroups(root, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            for line in (_read(directory / name) or "").splitlines():
                key, _, count = line.partition(" ")
                if key == "oom_kill" and count.strip().isdigit():
                    return int(count)
    return None
