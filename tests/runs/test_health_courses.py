"""Real runs with a known fault, trained by `benchmarks/health/make.py`: each is judged rightly, and in time.

The logs in `tests/fixtures/health` hold what is judged; `tests/engine/test_health_live.py` trains anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.health.courses import COURSES, Course
from benchmarks.health.judge import Judged, judged

RECORDED = Path(__file__).parents[1] / "fixtures" / "health"
BY_NAME = {course.name: course for course in COURSES}


@pytest.fixture(scope="module")
def seen() -> dict[str, Judged]:
    return {
        path.stem: judged(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        for path in sorted(RECORDED.glob("*.jsonl"))
    }


@pytest.mark.parametrize("course", [one for one in COURSES if one.judged], ids=lambda course: course.name)
def test_each_course_is_judged_as_it_should_be_and_in_time(course: Course, seen: dict[str, Judged]) -> None:
    assert seen[course.name].faults(course) == []


SHORT = Path(__file__).parents[1] / "fixtures" / "health_short"


@pytest.mark.parametrize("name", ["good", "half-empty", "many-spikes", "overfitting"])
def test_a_course_of_other_length_and_seed_is_judged_alike(name: str) -> None:
    """Seed 7, 48 steps of 12 rows: a spike in a loss that falls steeply, a rise of 2 %, and a fall that the
    decaying rate has ended.
    """
    lines = (SHORT / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert judged(json.loads(line) for line in lines).faults(BY_NAME[name]) == []


def test_there_are_at_least_sixteen_faults_and_five_good_shapes(seen: dict[str, Judged]) -> None:
    there = [course for course in COURSES if course.judged and course.name in seen]
    assert len({course.name.split("-")[0] for course in there if course.expects}) >= 11
    assert sum(bool(course.expects) for course in there) >= 16
    assert sum(not course.expects for course in there) >= 7


def test_nothing_is_called_healthy_that_did_not_move(seen: dict[str, Judged]) -> None:
    for name in ("flat", "flat-short", "flat-unseen"):
        assert not any(headline.startswith("healthy") for _, _, headline in seen[name].told), name


def test_no_run_ever_gets_two_fixes_for_its_learning_rate(seen: dict[str, Judged]) -> None:
    for name, one in seen.items():
        for step, fixes in one.fixes:
            assert sum("learning_rate" in fix for fix in fixes) <= 1, (name, step, fixes)
