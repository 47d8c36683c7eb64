"""What an inspection says of columns, characters and files that were passed over or misnamed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.data.inspect import inspect
from tuiftune.data.read.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def written(path: Path, more: Callable[[int], dict[str, Any]]) -> str:
    rows = [
        {"prompt": f"What is {n} plus {n}?", "completion": f"It is {2 * n}."} | more(n) for n in range(60)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (lambda n: {"upvotes": n, "downvotes": n % 7}, "upvotes (60 rows), downvotes (60 rows): votes on"),
        (lambda n: {"toxic": n % 7 == 0}, "toxic (60 rows): marks harmful answers"),
        (lambda n: {"severe_toxicity": n / 60}, "severe_toxicity (60 rows): marks harmful answers"),
        (lambda n: {"score": n / 59}, "score (60 rows): grades the answers (0 to 1 in the rows checked)"),
        (lambda n: {"model_reward": n / 10 - 3}, "model_reward (60 rows): grades the answers (-3 to 2.9"),
    ],
)
def test_columns_that_judge_are_called_what_they_are(
    tmp_path: Path, more: Callable[[int], dict[str, Any]], said: str
) -> None:
    lost = load(written(tmp_path / "rows.jsonl", more)).lost
    assert len(lost) == 1
    assert lost[0].startswith(said)
    assert "not used" in lost[0]


def test_other_columns_are_only_not_used(tmp_path: Path) -> None:
    lost = load(written(tmp_path / "rows.jsonl", lambda n: {"topic": "sums", "quality": "as it is"})).lost
    assert lost == ["columns not used: topic (60 rows), quality (60 rows)"]


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("Pay \u202e001\u202c euros.", True),
        ("Pay \u2066100\u2069 euros.", True),
        ("Fine.\U000e0049\U000e0067", True),
        ("שלום \u2066100\u2069 עולם", False),
        ("שלום \u202e100\u202c עולם", True),
        ("A flag: \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", False),
        ("שלום\u200f, naïve 👩\u200d🔬", False),
    ],
)
def test_characters_that_hide_or_turn_text_around_are_flagged(
    tmp_path: Path, text: str, flagged: bool
) -> None:
    dataset = load(written(tmp_path / "rows.jsonl", lambda n: {"completion": text} if n == 3 else {}))
    found = {check.check: len(check.rows) for check in inspect(dataset).checks}
    assert found["hidden-characters"] == int(flagged)


def test_an_answer_without_a_thumb_is_no_missing_answer(tmp_path: Path) -> None:
    thumbs = [True, False, None, True, False]
    dataset = load(written(tmp_path / "rows.jsonl", lambda n: {"thumbs_up": thumbs[n % 5]}))
    found = {check.check: len(check.rows) for check in inspect(dataset).checks}
    assert (dataset.format, found["missing-thumbs"], found["missing-answers"]) == ("kto", 12, 0)


def test_each_of_several_files_is_said_with_its_own_columns(tmp_path: Path) -> None:
    first = written(tmp_path / "a.jsonl", lambda n: {})
    second = tmp_path / "b.jsonl"
    second.write_text('{"question": "Where?", "answer": "There."}\n' * 40)
    evidence = load([first, str(second)]).evidence
    assert evidence[0].startswith(f"{first}: columns")
    assert any(str(second) in one and '"question"' in one for one in evidence[1:])
    assert load(first).evidence[0].startswith("columns")


def test_a_tool_result_that_the_template_leaves_out_is_told(tmp_path: Path) -> None:
    """As those of Phi-3 and Gemma 4 do: the answer would be trained as if nobody had looked it up."""
    import shutil

    from tuiftune.assets import BASE

    shutil.copytree(BASE, tmp_path / "model")
    written_by = (
        "{% for m in messages %}{% if m.role in ROLES %}<|{{ m.role }}|>{{ m.content | trim }}<|end|>"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    said = [
        ("user", "Fare to Oslo? "),
        ("assistant", "I look."),
        ("tool", " 12\n kr"),
        ("assistant", "12 kr."),
    ]
    row = {"messages": [{"role": role, "content": text} for role, text in said]}
    (tmp_path / "rows.jsonl").write_text((json.dumps(row) + "\n") * 6)
    for roles, dropped in (("['user', 'assistant']", 6), ("['user', 'assistant', 'tool']", 0)):
        (tmp_path / "model" / "chat_template.jinja").write_text(written_by.replace("ROLES", roles))
        report = inspect(load(str(tmp_path / "rows.jsonl")), tokenizer=tmp_path / "model")
        found = {check.check: check for check in report.checks}
        assert (found["messages-dropped"].count, found["answers-rewritten"].count) == (dropped, 0)
