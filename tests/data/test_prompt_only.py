"""Prompts alone are enough for stages in which the model writes the answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.data.checks.check import Subject
from tuiftune.data.inspect import checks_of
from tuiftune.data.read.load import load
from tuiftune.errors import UserError
from tuiftune.jobs.prepare import resolve
from tuiftune.plan.inputs import to_look_at
from tuiftune.preset.file import loads

if TYPE_CHECKING:
    from pathlib import Path

USER = {"role": "user", "content": "Hello"}
SAID = {"role": "assistant", "content": "Hi"}
ASKED = {"role": "user", "content": "How far?"}
FORMS: list[tuple[dict[str, Any], list[str]]] = [
    ({"prompt": "How far?"}, ["How far?"]),
    ({"id": 3, "question": "How far?", "system": "Be brief."}, ["Be brief.", "How far?"]),
    ({"prompt": "How far?", "history": [["Hello", "Hi"]]}, ["Hello", "Hi", "How far?"]),
    ({"instruction": "Say how far.", "input": "Oslo"}, ["Say how far.\n\nOslo"]),
    ({"context": "Oslo is far.", "question": "How far?"}, ["Oslo is far.\n\nHow far?"]),
    ({"messages": [ASKED]}, ["How far?"]),
    ({"prompt": [{"role": "system", "content": "Be brief."}, ASKED]}, ["Be brief.", "How far?"]),
    ({"conversations": [{"from": "human", "value": "How far?"}]}, ["How far?"]),
]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(("row", "said"), FORMS)
def test_prompts_are_read_whatever_their_form(row: dict[str, Any], said: list[str], tmp_path: Path) -> None:
    dataset = load(write(tmp_path / "a.jsonl", [row] * 9))
    assert (dataset.format, dataset.stage, int(dataset.usable.sum())) == ("prompt-only", "grpo", 9)
    (example,) = dataset.head(1)
    assert [message.content for message in example.prompt] == said
    assert example.reference == ""
    checks = {one.check for one in checks_of(Subject(dataset))}
    assert not {"missing-answers", "trailing-space", "negative-examples"} & checks


def test_conversations_that_end_with_a_question_are_prompts_if_most_hold_no_answer(tmp_path: Path) -> None:
    one, several = {"messages": [ASKED]}, {"messages": [USER, SAID, ASKED]}
    dataset = load(write(tmp_path / "a.jsonl", [one] * 6 + [several] * 4))
    assert (dataset.format, int(dataset.usable.sum())) == ("prompt-only", 10)
    dataset = load(write(tmp_path / "b.jsonl", [one] * 4 + [several] * 6))
    assert (dataset.format, int(dataset.usable.sum())) == ("chat", 6)
    dataset = load(write(tmp_path / "c.jsonl", [one] * 9 + [{"messages": [ASKED, SAID]}]))
    assert (dataset.format, int(dataset.usable.sum())) == ("chat", 1)


def test_prompts_are_planned_with_rewards_that_need_no_answer(tmp_path: Path) -> None:
    """Equal to the empty reference, an answer of nothing was worth most."""
    path = write(tmp_path / "a.jsonl", [{"prompt": f"Say {n}."} for n in range(40)])
    text = (
        f"model: {{base: 'builtin:tiny'}}\ndata: {{train: {path}, eval: 0.1, max_length: 64}}\n"
        "training: {effective_batch: 8}\nmethod: {stage: grpo, rewards: [{reward: length, tokens: 5}]}\n"
    )
    preset = loads(text, "mine.yaml")
    inputs, plan = resolve(preset, tmp_path)
    assert inputs.facts is not None
    assert (inputs.facts.rows, inputs.facts.rows_eval, inputs.facts.longest_answer) == (36, 4, None)
    assert plan.steps == 36  # 8 answers to one prompt a step
    for name in ("exact_match", "numeric_match"):
        other = preset.with_values({"method.rewards": [{"reward": name}]})
        for refuses in (lambda one: resolve(one, tmp_path), lambda one: to_look_at(one).plan()):
            with pytest.raises(UserError, match=f"{name} compares with reference answers, and the rows"):
                refuses(other)
    with pytest.raises(UserError, match="prompt-only rows, and supervised fine-tuning needs one answer"):
        resolve(loads(text.partition("method")[0], "mine.yaml"), tmp_path)
