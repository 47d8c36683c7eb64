"""Which process is which: a process id counts only with its start time and the boot it belongs to."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tuiftune import documents, paths
from tuiftune.errors import UserError

PROC = Path("/proc")
MOST_BYTES = 64 * 1024  # of what says who the engine is


@dataclass(frozen=True, slots=True)
class Identity:
    """A process. `start` is its start time (clock ticks since boot on Linux, else seconds), `boot` the boot's
    id.

    `log_size` is the length of the event log when it was launched: what lies before belongs to predecessors.
    """

    pid: int
    start: float
    boot: str
    host: str
    log_size: int = 0

    def dump(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def load(cls, path: Path) -> Identity | None:
        """The identity written at `path`; None when there is none that can be trusted."""
        try:
            document = documents.read_json(path, MOST_BYTES)
            return cls(
                pid=int(document["pid"]),
                start=float(document["start"]),
                boot=str(document["boot"]),
                host=str(document["host"]),
                log_size=int(document.get("log_size", 0)),
            )
        except (UserError, ValueError, KeyError, TypeError, OverflowError):
            return None

    @classmethod
    def gone(cls, pid: int, log_size: int) -> Identity:
        """That of a process which ended before it could be looked at."""
        return cls(pid, -1.0, boot_id(), socket.gethostname(), log_size)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs here (a zombie doesn't; a reused process id isn't it)."""
        return self.boot == boot_id() and start_time(self.pid) == self.start


def identify(pid: int, log_size: int = 0) -> Identity | None:
    """The identity of a process that runs now; None if there is none."""
    start = start_time(pid)
    return None if start is None else Identity(pid, start, boot_id(), socket.gethostname(), log_size)


def start_time(pid: int) -> float | None:
    """When a live process started; None for one that is gone or a zombie."""
    if paths.exists(PROC.joinpath("self", "stat")):
        try:
            fields = _stat(pid).rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in (b"Z", b"X") else float(fields[19])
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def _stat(pid: int) -> bytes:
    return (PROC / str(pid) / "stat").read_bytes()  # raw: the kernel writes it


@cache
def boot_id() -> str:
    """What changes at every boot: the kernel's boot id, else the boot time."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()  # raw: the kernel writes it
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"
