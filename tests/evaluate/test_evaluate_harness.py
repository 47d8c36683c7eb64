"""Tasks of lm-eval: its rows compared one by one, its faults in one line. The program is a real process."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.errors import UserError
from tuiftune.jobs import harness
from tuiftune.jobs.contenders import Target

if TYPE_CHECKING:
    from pathlib import Path

# Writes what lm-eval 0.4.13 writes: the adapter's rows are right, the base model's are not.
PROGRAM = """
import json, pathlib, sys
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if "missing" in words["--tasks"]:
    sys.exit("Task 'missing' not found")
room = pathlib.Path(words["--output_path"], "model")
room.mkdir(parents=True)
right = float("peft=" in words["--model_args"])
for task in words["--tasks"].split(","):
    one = {"filter": "none", "metrics": ["acc"]}
    rows = [{"doc_id": n, **one, "acc": right if n else 1.0} for n in range(20)]
    text = "".join(json.dumps(row) + "\\n" for row in reversed(rows))
    (room / f"samples_{task}_2026-11-29T10-00-00.jsonl").write_text(text)
(room / "results_2026-11-29T10-00-00.json").write_text(json.dumps(
    {"lm_eval_version": "0.4.13", "n-shot": {"colors": 0}, "words": sys.argv[1:]}))
pathlib.Path(sys.argv[0]).with_name("called.jsonl").open("a").write(json.dumps(sys.argv[1:]) + "\\n")
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    monkeypatch.setenv(harness.PROGRAM, f"{sys.executable} {path}")
    return path


@pytest.fixture
def adapter(tmp_path: Path) -> Target:
    place = tmp_path / "adapter"
    place.mkdir()
    (place / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "builtin:tiny"}))
    return Target(str(place), model=str(place))


def measured(wanted: Target, *names: str, **options: Any) -> dict[str, Any]:
    tasks = harness.tasks_of(names)
    return harness.measure(wanted, tasks, limit=options.get("limit"), progress=lambda what, done: None)


def test_rows_are_compared_one_by_one(program: Path, adapter: Target, tmp_path: Path) -> None:
    own = tmp_path / "own" / "task.yaml"
    own.parent.mkdir()
    own.write_text("task: colors\nprocess_docs: !function own.docs\n")
    found = measured(adapter, str(own), "arc_easy", limit=20)
    assert [row["task"] for row in found["tasks"]] == ["arc_easy", "colors"]
    (row, *_) = found["tasks"]
    assert (row["before"]["value"], row["after"]["value"]) == (pytest.approx(0.05), 1.0)
    assert row["difference"]["value"] == pytest.approx(0.95)
    assert row["difference"]["test"] == "McNemar's exact test"
    assert (found["harness"], found["limit"], found["shots"]) == ("0.4.13", 20, {"colors": 0})
    before, after = (json.loads(line) for line in (tmp_path / "called.jsonl").read_text().splitlines())
    assert "peft=" not in " ".join(before)
    assert f"peft={adapter.model}" in " ".join(after)
    assert after[after.index("--include_path") + 1] == str(own.parent)
    assert "0.05 to 1 (95% CI of the difference" in harness.sentences(found)[0]


def test_a_model_alone_has_one_side(program: Path) -> None:
    found = measured(Target("builtin:tiny", model="builtin:tiny"), "colors")
    assert "before" not in found["tasks"][0]
    assert harness.sentences(found) == ["colors, acc: 0.05; 20 rows"]


def test_what_lm_eval_refuses_is_one_line(program: Path, adapter: Target) -> None:
    with pytest.raises(UserError, match="lm-eval failed: Task 'missing' not found") as fault:
        measured(adapter, "missing")
    assert fault.value.exit_code == 1


def test_a_program_that_is_not_there_is_one_line(adapter: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(harness.PROGRAM, "no-such-program")
    with pytest.raises(UserError, match="cannot be started"):
        measured(adapter, "colors")
    monkeypatch.delenv(harness.PROGRAM)
    monkeypatch.setattr(harness.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(harness.shutil, "which", lambda _: None)
    with pytest.raises(UserError, match="lm-eval is not installed") as fault:
        measured(adapter, "colors")
    assert "tuiftune[harness]" in str(fault.value)


@pytest.mark.parametrize(("text", "says"), [("a: [", "is not YAML"), ("group: x\n", "has no `task:` name")])
def test_a_task_file_that_is_none_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(text)
    with pytest.raises(UserError, match=says):
        harness.tasks_of([str(tmp_path / "task.yaml")])
