"""What the kernel says of processes and GPUs, where its log may be read."""

from __future__ import annotations

import os
import re
from pathlib import Path

LOG = Path("/dev/kmsg")
LONGEST = 8192  # bytes of one record
MOST = 100_000  # records
KILLED = re.compile(r"[Oo]ut of memory: Killed process (?P<pid>\d+)")


def log_since(seconds: float) -> list[str]:
    """The messages of the kernel log since `seconds` after boot; [] where it may not be read."""
    try:
        descriptor = os.open(LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    found: list[str] = []
    try:
        for _ in range(MOST):
            try:
                record = os.read(descriptor, LONGEST)
            except BrokenPipeError:  # overwritten while reading: the next one is there
                continue
            except OSError:
                break
            if not record:
                break
            head, _, message = record.decode("utf-8", errors="replace").partition(";")
            fields = head.split(",")
            if len(fields) > 2 and fields[2].isdigit() and int(fields[2]) / 1e6 >= seconds:
                found.append(message.splitlines()[0] if message else "")
    finally:
        os.close(descriptor)
    return found


def killed_for_memory(pid: int, lines: list[str]) -> bool:
    """Whether the kernel log says that it killed this process for want of memory."""
    return any((found := KILLED.search(line)) and int(found["pid"]) == pid for line in lines)
