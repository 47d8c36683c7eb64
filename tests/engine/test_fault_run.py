"""The short form of the fault run (`benchmarks/faults`): 50 kills and one of each other class of fault."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = "2026"  # what to kill and where; `python -m benchmarks.faults` draws another each time
PLACES = {"training": 10, "saving": 10, "rotating": 10, "evaluating": 8}  # kills, at least


@pytest.mark.long
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_silent() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "--short", "--seed", SEED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("|")]
    tries = Counter({name: int(number) for name, number, lost, silent in rows[2:]})
    assert rows[-1][2:] == ["0", "0"]
    killed = {name.rpartition(" ")[2]: number for name, number in tries.items() if name.startswith("kill")}
    assert sum(killed.values()) == 50, done.stdout
    assert {place: number for place, number in PLACES.items() if killed.get(place, 0) < number} == {}, killed
    assert len(tries) >= len(killed) + 9, done.stdout
