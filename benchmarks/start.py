"""How long a person waits: `tuiftune --help`, the fast commands, and the app's first paint.

    python benchmarks/start.py [--runs 9]

Whole processes, one warm-up, then the median of the runs. First paint is the time from starting `tuiftune` in
a pseudo-terminal of 80×24 until the screen holds the app's title.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect
import pyte

PYTHON = sys.executable
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [PYTHON, "-c", "pass"],
    "tuiftune --help": [PYTHON, "-m", "tuiftune", "--help"],
    "tuiftune plan demo --json": [PYTHON, "-m", "tuiftune", "plan", "demo", "--json"],
    "tuiftune preset list": [PYTHON, "-m", "tuiftune", "preset", "list"],
    "tuiftune runs --json": [PYTHON, "-m", "tuiftune", "runs", "--json"],
    "tuiftune data inspect builtin:tickets": [PYTHON, "-m", "tuiftune", "data", "inspect", "builtin:tickets"],
}


def seconds(command: list[str], cwd: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def first_paint(cwd: str, *, marker: str = "tuiftune") -> float:
    """Seconds until the app's name stands on a drawn screen of its own."""
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    environment = {**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": cwd}
    started = time.perf_counter()
    child = pexpect.spawn(
        PYTHON, ["-m", "tuiftune"], dimensions=(24, 80), cwd=cwd, env=environment, timeout=20
    )
    try:
        while True:
            stream.feed(child.read_nonblocking(65536, timeout=20))
            drawn = sum(bool(line.strip()) for line in screen.display)
            if drawn > 5 and any(marker in line for line in screen.display):
                return time.perf_counter() - started
    finally:
        child.close(force=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as cwd:
        print(f"{'what':42} {'median s':>9} {'min':>6} {'max':>6}")
        for name, command in COMMANDS.items():
            show(name, [seconds(command, cwd) for _ in range(runs + 1)][1:])
        show("first paint of the app, 80×24", [first_paint(cwd) for _ in range(runs + 1)][1:])
    load = Path("/proc/loadavg").read_text(encoding="utf-8").split()[0]
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load}")


def show(name: str, times: list[float]) -> None:
    print(f"{name:42} {statistics.median(times):9.3f} {min(times):6.3f} {max(times):6.3f}")


if __name__ == "__main__":
    main()
