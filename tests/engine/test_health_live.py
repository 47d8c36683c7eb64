"""The courses of `benchmarks/health` trained anew, under another seed and judged as they go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.health.courses import COURSES
from benchmarks.health.judge import judged

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_courses_that_are_trained_anew_are_judged_as_the_recorded_ones(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.health.make", str(tmp_path / "logs"), "--seed", "42"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    wrong = {}
    for course in COURSES:
        lines = (tmp_path / "logs" / f"{course.name}.jsonl").read_text(encoding="utf-8").splitlines()
        faults = judged(json.loads(line) for line in lines).faults(course) if course.judged else []
        wrong |= {course.name: faults} if faults else {}
    assert wrong == {}
