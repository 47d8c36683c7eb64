"""The three shapes everyone meets first, from real files."""

import json
from pathlib import Path

import pytest

from tuiftune.data.mix.split import split
from tuiftune.data.read.load import load
from tuiftune.errors import UserError


def write_lines(path: Path, rows: list[object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def test_prompt_and_completion_become_a_user_and_an_assistant_turn(tmp_path: Path) -> None:
    dataset = load(write_lines(tmp_path / "a.jsonl", [{"question": "2+2?", "answer": "4"}] * 3))
    assert (dataset.format, dataset.stage, dataset.rows) == ("prompt-completion", "sft", 3)
    example = next(dataset.examples())
    assert example.messages is not None
    assert [(m.role, m.content) for m in example.messages] == [("user", "2+2?"), ("assistant", "4")]


def test_wrong_json_is_named_by_its_line(tmp_path: Path) -> None:
    lines = [json.dumps({"question": str(n), "answer": "a"}) for n in range(6000)]
    lines[4811] = '{"question": "x", "answer": '
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError) as fault:
        load(str(path))
    assert f"{path}:4812" in str(fault.value)
    assert "\n" not in str(fault.value)


def test_split_does_not_depend_on_order_and_keeps_equal_prompts_together(tmp_path: Path) -> None:
    rows = [{"question": f"q{n % 150}", "answer": f"a{n}"} for n in range(300)]
    train, held = split(load(write_lines(tmp_path / "a.jsonl", rows)), 0.1, 7)
    assert len(train) + len(held) == 300
    assert abs(len(held) - 30) <= 2
    ask = lambda examples: {e.prompt[0].content for e in examples}  # noqa: E731
    assert not ask(train) & ask(held)
    _, again = split(load(write_lines(tmp_path / "b.jsonl", rows[::-1])), 0.1, 7)
    assert ask(again) == ask(held)
