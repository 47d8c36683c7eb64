"""The short form of the fault run (`benchmarks/faults`): whatever fits into three quarters of a minute."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_silent() -> None:
    """With another seed each time, which the output names: a failure can be repeated."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "--short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    (total,) = [line for line in done.stdout.splitlines() if "**all**" in line]
    _, _, tries, lost, silent, _ = total.split("|")
    assert int(tries) >= 5, done.stdout
    assert (int(lost), int(silent)) == (0, 0)
