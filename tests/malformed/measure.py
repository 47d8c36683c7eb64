"""A command as its user runs it: exit code, what it said, its time, and the memory its tree held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOOK_EVERY = 0.05  # seconds
MOST_SECONDS = 30.0  # then it counts as hanging, and is ended


@dataclass(frozen=True, slots=True)
class Outcome:
    """`memory` is the largest resident memory of the process with all it started, in bytes."""

    code: int
    said: str
    seconds: float
    memory: int

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.said or "panicked at" in self.said


def run(arguments: Sequence[str], folder: Path) -> Outcome:
    """Run `tuiftune` with runs and state of its own below `folder`."""
    known = {
        "HF_HUB_OFFLINE": "1",
        "TUIFTUNE_RUNS": str(folder / "runs"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    with (folder / "said").open("w+b") as said:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tuiftune", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=folder,
            env={**os.environ, **known},
            start_new_session=True,
        )
        memory = 0
        while process.poll() is None:
            memory = max(memory, held(process.pid))
            if time.monotonic() - began > MOST_SECONDS:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                break
            time.sleep(LOOK_EVERY)
        seconds = time.monotonic() - began
        said.seek(0)
        return Outcome(process.returncode, said.read().decode("utf-8", "replace"), seconds, memory)


def held(pid: int) -> int:
    """Resident bytes of a process and all below it."""
    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in tree)
    except psutil.Error:
        return 0
