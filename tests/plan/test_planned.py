"""A run's plan.json has one reader: typed, of any version so far, with what it does not know kept."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import tuiftune
from tuiftune.errors import UserError
from tuiftune.plan.planned import read
from tuiftune.runs.store.amend import change, give_budget
from tuiftune.runs.store.directory import RunDir, create

PACKAGE = Path(tuiftune.__file__).parent
KEYS = ("preset_digest", "rows_unusable", "rehearse", "per_hour")
RECORDED = Path(__file__).parents[1] / "fixtures" / "h200-lora" / "plan.json"
PRESET = "model: {base: builtin:tiny}\ndata: {train: t.jsonl}\ntraining: {learning_rate: 1.0e-4}\n"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    from tuiftune.preset.file import loads

    resolved = loads(PRESET, "mine.yaml").model_dump(mode="json")
    return create(tmp_path, "one", PRESET, {"resolved": resolved, "weather": {"wind": [3, "NW"]}})


def test_a_recorded_plan_is_read() -> None:
    plan = read(json.loads(RECORDED.read_text("utf-8")))
    assert plan.technique == "lora"
    assert plan.needs is not None
    assert plan.capacity is not None
    assert plan.needs < plan.capacity
    assert plan.reasons
    assert plan.rows.train
    assert plan.preset("plan.json").model.base == plan.model


def test_a_plan_of_an_earlier_version_is_read() -> None:
    plan = read({"rehearse": False, "resolved": {"data": {"train": ["a.jsonl", "b.jsonl"]}}})
    assert plan.preflight is False
    assert plan.train == plan.rows.files == ("a.jsonl", "b.jsonl")
    assert plan.seconds is plan.needs is plan.usual_rate is None


def test_the_first_key_of_a_wrong_kind_is_named() -> None:
    with pytest.raises(UserError, match=r"mine: `time.seconds` is soon, expected a number"):
        read({"time": {"seconds": "soon"}}, "mine")


def test_what_this_version_does_not_know_is_kept(run: RunDir) -> None:
    change(run, ["training.learning_rate=0.001"])
    give_budget(run, max_hours=2.5)
    plan = run.plan()
    assert (plan.learning_rate, plan.max_hours) == (0.001, 2.5)
    assert plan.changed == {"training.learning_rate"}
    assert plan.document["weather"] == {"wind": [3, "NW"]}


def test_only_the_reader_and_its_writers_look_into_a_plans_document() -> None:
    """Elsewhere a plan's keys are attributes: a key that is spelt in two places drifts."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and node.value in KEYS:
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found == {"plan/planned.py", "plan/document.py", "runs/store/directory.py", "runs/store/amend.py"}
