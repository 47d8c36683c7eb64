"""What an answer is worth, and what is said of rewards that can't be used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune import rewards
from tuiftune.errors import UserError
from tuiftune.rewards import base
from tuiftune.rewards.base import Asked, Made

if TYPE_CHECKING:
    from pathlib import Path


def worth(answer: str, reference: str = "", tokens: int = 1, **spec: Any) -> float:
    (made,) = rewards.made([spec])
    (value,) = made.score([Asked("question", answer, reference, tokens)])
    return value


def scored(*specs: dict[str, Any]) -> None:
    for made in rewards.made(specs):
        made.score([Asked("question", "answer", "answer", 1)])


def said(*specs: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        scored(*specs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "answer", "spec"),
    [
        (1, "It is\n red. ", {"reward": "exact_match", "reference": "It is red."}),
        (0, "It is red", {"reward": "exact_match", "reference": "It is red."}),
        (1, "Café", {"reward": "exact_match", "reference": "Cafe\u0301"}),
        (1, "so 1,012 + 1 = 1,013.0", {"reward": "numeric_match", "reference": "#### 1013"}),
        (0, "no number", {"reward": "numeric_match", "reference": "#### 1013"}),
        (1, "about 1012.95", {"reward": "numeric_match", "reference": "1013", "tolerance": 0.1}),
        (1, "<answer>\n3</answer>", {"reward": "regex", "pattern": r"<answer>.*</answer>$"}),
        (0, "3", {"reward": "regex", "pattern": r"<answer>.*</answer>$"}),
        (1, '```json\n{"a": 1}\n```', {"reward": "json_schema"}),
        (0, "{a: 1}", {"reward": "json_schema"}),
        (1, '{"a": 1}', {"reward": "json_schema", "schema": {"required": ["a"]}}),
        (0, '{"b": 1}', {"reward": "json_schema", "schema": {"required": ["a"]}}),
        (1, "", {"reward": "length", "tokens": 10, "tokens_written": 10}),
        (0.5, "", {"reward": "length", "tokens": 10, "tokens_written": 15}),
        (0, "", {"reward": "length", "tokens": 10, "tokens_written": 30}),
    ],
)
def test_what_an_answer_is_worth(value: float, answer: str, spec: dict[str, Any]) -> None:
    reference, written = spec.pop("reference", ""), spec.pop("tokens_written", 1)
    (made,) = rewards.made([spec])
    assert made.score([Asked("question", answer, reference, written)]) == [value]


def test_a_file_scores_in_a_process_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import os\nprint('noise')\n"
        "def reward(prompt, answer, reference):\n"
        "    return answer == reference if answer != 'pid' else os.getpid()\n"
    )
    (made,) = rewards.made([{"reward": "python", "path": str(file), "weight": 2}])
    asked = [Asked("q", text, "yes", 1) for text in ("yes", "no", "pid", "pid")]
    first, second, *pids = made.score(asked)
    assert (made.weight, first, second) == (2.0, 1.0, 0.0)
    assert pids[0] == pids[1]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("    raise ValueError('broken')", "the reward failed: ValueError: broken"),
        ("    return float('nan')", "the reward is NaN, not a finite number"),
        ("    return 'good'", 'the reward is "good", not a finite number'),
        ("    return object()", "a object"),
        ("    import time; time.sleep(60)", "took longer than 0.5 s for one answer"),
        ("    import os; os._exit(1)", "its process ended"),
        ("    return 10**400", "its answer cannot be read"),
    ],
)
def test_a_file_that_fails_is_told_in_one_line(tmp_path: Path, body: str, told: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"def reward(prompt, answer, reference):\n{body}\n")
    spec = {"reward": "python", "path": str(file), "seconds": 0.5 if "sleep" in body else 10}
    assert told in said(spec)
    assert "mine.py" in said(spec)


@pytest.mark.parametrize(
    ("spec", "answer", "told"),
    [
        ({"reward": "regex", "pattern": "(a+)+$"}, "a" * 60 + "b", "the pattern takes more than 0.2 s"),
        (
            {"reward": "json_schema", "schema": {"pattern": "(a+)+$"}},
            f'"{"a" * 60}b"',
            "the schema takes more than 0.2 s",
        ),
        ({"reward": "json_schema", "schema": {"$ref": "http://127.0.0.1:9/x"}}, "{}", "refers to http://127"),
        ({"reward": "json_schema", "schema": {"items": {"$ref": "#/none"}}}, "[1]", "refers to /none"),
    ],
)
def test_a_pattern_or_schema_that_cannot_judge_is_told(
    spec: dict[str, Any], answer: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "SECONDS", 0.2)
    with pytest.raises(UserError, match=r"method\.rewards, entry 1") as caught:
        worth(answer, **spec)
    assert told in str(caught.value)
    assert worth("{}", reward="json_schema", schema=True) == 1


def test_references_that_no_answer_can_match_are_told() -> None:
    listed = [{"reward": "length", "tokens": 5}, {"reward": "numeric_match"}]
    assert rewards.check_references(listed, ["#### 5"] * 3) == ""
    assert "1 of 3 reference answers" in rewards.check_references(listed, ["5", "none", "1/2"])
    with pytest.raises(UserError, match="entry 2: 2 of 2 reference answers"):
        rewards.check_references(listed, ["none", ""])
    assert "1 of 2 reference answers" in rewards.check_references([{"reward": "exact_match"}], ["Yes", ""])
    assert worth("", "", reward="exact_match") == 0


def test_numbers_that_training_cannot_compute_with_are_told() -> None:
    length = {"reward": "length", "tokens": 1}
    assert "every weight is 0" in said({**length, "weight": 0})
    assert "the weight is not between" in said({**length, "weight": -1e300})
    for value, told in ((1e17, "too large"), (float("nan"), "not a finite number")):
        made = Made("mine", 0.5, lambda asked, value=value: [value for _ in asked])
        with pytest.raises(UserError, match=told):
            rewards.scores("mine", made, [Asked("question", "answer", "answer", 1)])


def test_rewards_that_are_none(tmp_path: Path) -> None:
    assert "exact_mach is not a reward. Did you mean exact_match?" in said({"reward": "exact_mach"})
    assert "exact_match does not take pattern" in said({"reward": "exact_match", "pattern": "x"})
    assert "regex needs pattern" in said({"reward": "regex"})
    assert "not a regular expression" in said({"reward": "regex", "pattern": "("})
    assert "the weight is not a finite number" in said({"reward": "exact_match", "weight": "high"})
    assert "tokens is not a whole number" in said({"reward": "length", "tokens": 0.5})
    assert "there is no model in" in said({"reward": "model", "path": str(tmp_path)})
    assert "there is no file" in said({"reward": "python", "path": str(tmp_path / "none.py")})
    empty = tmp_path / "empty.py"
    empty.write_text("")
    assert "defines no function reward" in said({"reward": "python", "path": str(empty)})
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "nothing"}))
    assert "not a JSON Schema" in said({"reward": "json_schema", "path": str(schema)})


def test_an_entry_without_a_reward_and_one_that_is_no_entry_are_told(tmp_path: Path) -> None:
    from tuiftune.preset.file import loads

    assert "entry 1: it has no key `reward`" in said({"python": "mine.py"})
    text = (
        "version: 1\nmodel: {base: 'builtin:tiny'}\ndata: {train: 'builtin:tickets'}\n"
        "method: {stage: grpo, rewards: [mine.py]}\n"
    )
    with pytest.raises(UserError, match="value, …") as caught:
        loads(text, "mine.yaml")
    assert "whole number" not in str(caught.value)


def test_a_reward_file_is_tried_before_anything_is_loaded(tmp_path: Path) -> None:
    from tuiftune.jobs.prepare import resolve
    from tuiftune.preset.file import loads

    file = tmp_path / "mine.py"
    text = (
        "model: {base: 'builtin:tiny'}\ndata: {train: 'builtin:tickets'}\ntraining: {effective_batch: 8}\n"
        f"method: {{stage: grpo, rewards: [{{reward: python, path: {file}, weight: 0}}, "
        "{reward: length, tokens: 5}]}\n"
    )
    file.write_text("def reward(prompt, answer, reference):\n    return len(prompt)\n")
    resolve(loads(text, "mine.yaml"), tmp_path)
    file.write_text("def reward(prompt, answer, reference):\n    return answer.score\n")
    with pytest.raises(UserError, match="the reward failed: AttributeError"):
        resolve(loads(text, "mine.yaml"), tmp_path)
    resolve(loads(text, "mine.yaml"), tmp_path, gpu="H200")  # planned for another machine
