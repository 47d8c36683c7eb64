"""The host: CPU, memory, and what the control group (a container, a batch job) leaves of them."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

import psutil

from tuiftune.control_group import cgroup_memory, groups, memory_available, number, read
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


def cpu_name(root: Path = _ROOT) -> str:
    """The CPU's own name, or its architecture where it tells none (many ARM machines)."""
    for line in (read(root / "proc/cpuinfo") or "").splitlines():
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
    for directory in groups(root, "cpu"):
        quota = _cpu_quota(directory)
        if quota is not None:
            allowed = min(allowed, max(math.ceil(quota), 1))
    return allowed


def _cpu_quota(directory: Path) -> float | None:
    whole = (read(directory / "cpu.max") or "").split()
    if len(whole) == 2 and whole[0].isdigit() and int(whole[1]) > 0:
        return int(whole[0]) / int(whole[1])
    quota, period = number(directory / "cpu.cfs_quota_us"), number(directory / "cpu.cfs_period_us")
    return quota / period if quota is not None and quota > 0 and period else None
