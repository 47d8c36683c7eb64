"""A mapping tried on a file's first rows agrees with reading the whole file by it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.data.checks.check import Subject
from tuiftune.data.checks.structure import structure
from tuiftune.data.detect.mapping import beginning, tried
from tuiftune.data.read.load import load
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?", "weight": 0.5}]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("row", "named", "columns"),
    [
        ({"question": "a?", "answer": "b"}, "auto", {}),
        ({"x": "a?", "y": "b", "z": 3}, "prompt-completion", {"prompt": "x", "answer": "y"}),
        ({"x": "a?", "y": "b"}, "auto", {"text": "x", "label": "y"}),
        ({"log": TURNS, "n": 1}, "chat", {}),
        ({"p": "a", "c": "b", "r": "d"}, "preference", {"prompt": "p", "chosen": "c", "rejected": "r"}),
        ({"p": "a", "c": "b", "ok": True}, "kto", {"prompt": "p", "completion": "c", "label": "ok"}),
        ({"question": "a?", "answer": "b", "split": "train"}, "auto", {}),
    ],
)
def test_a_trial_reads_as_the_whole_file_does(
    row: dict[str, Any], named: str, columns: dict[str, str], tmp_path: Path
) -> None:
    path = write(tmp_path / "a.jsonl", [row] * 20)
    trial = tried(beginning(str(path)), named, columns)
    whole = load(str(path), format=named, columns=columns)
    assert trial.fault == ""
    assert trial.dataset is not None
    assert trial.dataset.columns == whole.columns
    assert trial.dataset.frame.equals(whole.frame)
    assert list(trial.examples) == whole.head(20)


@pytest.mark.parametrize(
    ("named", "columns", "fault"),
    [
        ("kto", {"label": "ok"}, "column not found for prompt and completion"),
        ("chat", {"messages": "p"}, "none of the 20 rows checked can be trained on: type messages"),
        ("text", {"text": "nothing"}, 'column "nothing" for the role text not found'),
        ("prompt-completion", {"prompt": "p", "completion": ""}, "column not found for completion"),
        ("text", {"label": "p"}, 'does not have a role "label"'),
    ],
)
def test_what_can_not_work_is_said_in_a_line(
    named: str, columns: dict[str, str], fault: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.jsonl", [{"p": "a", "c": "b", "ok": True}] * 20)
    trial = tried(beginning(str(path)), named, columns)
    assert fault in trial.fault
    assert "\n" not in trial.fault
    assert trial.examples == ()
    if trial.dataset is None:
        with pytest.raises(UserError, match=fault):
            load(str(path), format=named, columns=columns)


def test_an_empty_name_takes_a_role_away(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"prompt": "a", "completion": "b", "system": "noise"}] * 20)
    assert load(str(path)).head(1)[0].messages[0].content == "noise"
    read = load(str(path), format="prompt-completion", columns={"system": ""})
    assert [turn.role for turn in read.head(1)[0].messages] == ["user", "assistant"]


def test_weights_that_count_as_one_are_said_with_their_rows(tmp_path: Path) -> None:
    plain = [{**turn, "weight": weight} for turn, weight in zip(TURNS, (None, 0), strict=True)]
    parts = [TURNS[0], {**plain[1], "train_detail": [{"train": False}, {"train": True}]}]
    rows = [{"messages": turns} for turns in (TURNS, plain, TURNS, parts)]
    path = write(tmp_path / "a.jsonl", rows)
    found = {check.check: check for check in structure(Subject(load(str(path))))}
    assert found["turn-weights"].severity == "info"
    assert found["turn-weights"].rows == (1, 3, 4)
