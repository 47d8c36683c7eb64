"""Which rows an evaluation uses, and what is said of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tuiftune.errors import UserError
from tuiftune.jobs.evaluating import rows_of
from tuiftune.runs.store.directory import RunDir

DEMO = RunDir(Path(__file__).parent.parent / "fixtures" / "demo")


def test_rows_that_the_runs_own_score_left_out_are_told() -> None:
    """`evaluation.rows` of the demo is 100, and it has 101 evaluation rows."""
    every = rows_of(None, DEMO, None)
    assert len(every.questions) == 101
    assert any("100 of these 101 rows" in note for note in every.notes)
    assert not any("of these" in note for note in rows_of(None, DEMO, 100).notes)
    assert not any("of these" in note for note in rows_of("builtin:tickets", DEMO, None).notes)


def test_a_file_is_scored_though_the_rows_of_training_are_gone(tmp_path: Path) -> None:
    shutil.copytree(DEMO.path, tmp_path / "demo")
    plan = tmp_path / "demo" / "plan.json"
    document = json.loads(plan.read_text())
    document["resolved"]["data"]["train"] = str(tmp_path / "rows.jsonl")
    plan.write_text(json.dumps(document))
    run = RunDir(tmp_path / "demo")
    asked = rows_of("builtin:tickets", run, 9)
    assert len(asked.questions) == 9
    assert any(note.startswith("Not checked for rows that demo was trained on: ") for note in asked.notes)
    with pytest.raises(UserError, match="no such file"):
        rows_of(None, run, 9)
