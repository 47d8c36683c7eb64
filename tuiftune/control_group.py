"""The control group of this process (a container, a batch job), and the memory that it leaves."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/")
FILE_CACHE = ("active_file", "inactive_file")  # of a group's memory.stat


def memory_available(root: Path = _ROOT) -> int:
    """Bytes of RAM that this process may still take, within its control group too."""
    import psutil

    available = int(psutil.virtual_memory().available)
    limit, used = cgroup_memory(root)
    return available if limit is None else min(available, max(limit - (used or 0), 0))


def cgroup_memory(root: Path = _ROOT) -> tuple[int | None, int | None]:
    """(limit, used) in bytes of the tightest control group around this process; None where there is no limit.

    `used` leaves out file cache, which the kernel gives back on demand: also what counts as active, as it
    does once a mapped file was read twice.
    """
    tightest: tuple[int, int | None] | None = None
    for directory in groups(root, "memory"):
        limit = number(directory / "memory.max") or number(directory / "memory.limit_in_bytes")
        # Version 1 writes "no limit" as the largest page-aligned number.
        if limit is None or limit >= 1 << 60 or (tightest is not None and limit >= tightest[0]):
            continue
        used = number(directory / "memory.current") or number(directory / "memory.usage_in_bytes")
        cache = _cache(directory / "memory.stat")
        tightest = (limit, None if used is None else max(used - cache, 0))
    return tightest or (None, None)


def groups(root: Path, controller: str) -> list[Path]:
    """The control group of this process and all above it; a container may see only the top."""
    found: list[Path] = []
    for line in (read(root / "proc/self/cgroup") or "").splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0" and not controllers:
            top = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            top = root / "sys/fs/cgroup" / controller
        else:
            continue
        inner = top / path.lstrip("/")
        chain = [inner, *inner.parents]
        found += chain[: chain.index(top) + 1] if top in chain else [top]
    return found


def memory_kills(root: Path = _ROOT) -> int | None:
    """How many processes were killed at the memory limit of this control group so far; None if unknown."""
    for directory in groups(root, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            for line in (read(directory / name) or "").splitlines():
                key, _, count = line.partition(" ")
                if key == "oom_kill" and count.strip().isdigit():
                    return int(count)
    return None


def _cache(path: Path) -> int:
    """Bytes of files, in this group and (version 1 counts both) in those below it."""
    told = dict(line.split(" ", 1) for line in (read(path) or "").splitlines() if " " in line)
    sizes = (told.get(f"total_{name}", told.get(name, "")) for name in FILE_CACHE)
    return sum(int(size) for size in sizes if size.isdigit())


def number(path: Path) -> int | None:
    """The number that a file of the kernel holds; None if it holds none."""
    text = (read(path) or "").strip()
    return int(text) if text.isdigit() else None


def read(path: Path) -> str | None:
    """The text of a file of the kernel; None if there is none."""
    try:
        return path.read_text("utf-8", "replace")  # raw: the kernel writes it
    except OSError:  # not there, or not for us: both mean that it says nothing
        return None
