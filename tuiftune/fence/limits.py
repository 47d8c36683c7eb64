"""What a fenced process may take, and what it has taken."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30
ROW_SECONDS = 5.0
MORE_ROW_SECONDS = 0.005  # for each row of a batch: 35 times what a common template and tokenizer need
SECONDS_A_MIB = 1.0  # of text
IMPORT_SECONDS = 60.0  # our own modules and libraries, on a busy machine
BATCH_BYTES = 4 * MIB  # of text in a batch: beyond that a row is alone in it
BYTES_A_BYTE = 128  # of text beyond BATCH_BYTES: tokens with their offsets and pieces
STARVED = 8  # times the limit by the clock, for a process that gets little of a busy CPU
STALLED = 300.0  # seconds of the kernel's, in which it frees memory
THREAD_BYTES = 4 * MIB  # stack and heap of a tokenizer's thread


@dataclass(frozen=True, slots=True)
class Allowance:
    """Seconds and bytes, beyond what the imports took."""

    seconds: float
    memory: int

    @classmethod
    def of(cls, rows: int = 1, size: int = 0) -> Allowance:
        """For a batch of rows with `size` bytes of text.

        >>> Allowance.of().seconds, Allowance.of().memory == GIB
        (5.0, True)
        """
        seconds = ROW_SECONDS + MORE_ROW_SECONDS * (rows - 1) + SECONDS_A_MIB * (size // MIB)
        return cls(seconds, GIB + BYTES_A_BYTE * max(0, size - BATCH_BYTES))


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and resident bytes of a process. Its own computing only: in a container that is full, the
    kernel took a minute of its time to free memory.
    """

    cpu: float
    resident: int


def usage(pid: int) -> Usage | None:
    """What a process has taken; None when it is gone."""
    if os.path.exists("/proc/self/statm"):
        try:
            fields = _kernel(f"{pid}/stat").rpartition(b")")[2].split()
            pages = int(_kernel(f"{pid}/statm").split()[1])
        except (OSError, IndexError, ValueError):
            return None
        return Usage(int(fields[11]) / os.sysconf("SC_CLK_TCK"), pages * _page())
    import psutil

    try:
        process = psutil.Process(pid)
        return Usage(process.cpu_times().user, process.memory_info().rss)
    except psutil.Error:
        return None


def _kernel(name: str) -> bytes:
    return Path(f"/proc/{name}").read_bytes()  # raw: the kernel writes it


@cache
def _page() -> int:
    return os.sysconf("SC_PAGE_SIZE")


def late(waited: float, cpu: float, allowed: float) -> bool:
    """Return True if a process has had its time: of the CPU, or by the clock if it hardly gets any.

    A process that computes alone has both at once; on a busy machine only what it computed counts.
    """
    return waited > allowed and (cpu > 0.9 * allowed or waited > STARVED * allowed)


def hold_memory(memory: int) -> None:
    """In the fenced process: what is asked for at once beyond `memory` bytes is refused, before an observer
    could see it. Only private memory counts, so that address space kept by libraries doesn't.
    """
    try:
        status = _kernel("self/status").decode("ascii", "replace")
    except OSError:
        return
    now = next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData")), 0)
    wanted = now + memory + THREAD_BYTES * (os.cpu_count() or 1)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))


def hold_time(seconds: float) -> None:
    """Let the kernel, which counts its own time as well, end the fenced process when its parent is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = STALLED + (2 * seconds + 1) * (os.cpu_count() or 1)
    wanted = int(used.ru_utime + used.ru_stime + most) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard < 0 else min(wanted, hard), hard))


def hold_files() -> None:
    """In the fenced process: no core dump, and no file longer than a complaint is written."""
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, MIB)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most, hard))
