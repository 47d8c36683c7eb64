"""`data.test`: read, checked against the rows that are trained and evaluated on, and recorded by the plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.errors import ExitCode, UserError
from tuiftune.plan.document import of_run
from tuiftune.plan.inputs import to_look_at
from tuiftune.preset.file import loads

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.plan.inputs import Inputs


def written(path: Path, numbers: range) -> Path:
    rows = [{"prompt": f"How many is {n} and {n}?", "completion": f"That is {2 * n}."} for n in numbers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def inputs(tmp_path: Path, test: str) -> Inputs:
    train = written(tmp_path / "train.jsonl", range(40))
    text = f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {train}, test: '{test}'}}\n"
    return to_look_at(loads(text, "mine.yaml"))


def plan_of(made: Inputs) -> dict[str, Any]:
    return of_run(made.plan(), made, None)


def test_new_rows_are_counted_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "new.jsonl", range(1000, 1010))
    monkeypatch.chdir(tmp_path)
    document = plan_of(inputs(tmp_path, "new.jsonl"))
    assert (document["data"]["test"]["held_out"], document["data"]["test"]["equal"]) == (10, 0)
    assert document["resolved"]["data"]["test"] == str(tmp_path / "new.jsonl")
    assert any("data.test: 10 rows" in note for note in document["notes"])


def test_rows_that_are_trained_or_evaluated_on_are_told(tmp_path: Path) -> None:
    test = written(tmp_path / "old.jsonl", range(35, 45))
    document = plan_of(inputs(tmp_path, str(test)))
    assert document["data"]["test"]["equal"] == 5
    assert any("5 exactly" in note for note in document["notes"])


@pytest.mark.parametrize("name", ["missing.jsonl", "empty.jsonl", "words.jsonl"])
def test_a_file_that_cannot_be_used_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "words.jsonl").write_text("just words\n")
    with pytest.raises(UserError) as caught:
        inputs(tmp_path, str(tmp_path / name))
    assert caught.value.exit_code is ExitCode.USAGE
    assert str(caught.value).startswith("data.test")
    assert name in str(caught.value)


def test_without_it_nothing_is_recorded(tmp_path: Path) -> None:
    train = written(tmp_path / "train.jsonl", range(40))
    made = to_look_at(loads(f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {train}}}\n", "x"))
    assert plan_of(made)["data"]["test"] is None
