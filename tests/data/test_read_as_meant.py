"""Layouts of other tools that were taken for something else, or read by half: as they are meant, or asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.data.read.load import load
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.data.dataset import Dataset

USER = {"role": "user", "content": "How far?"}


def read(path: Path, rows: list[dict[str, Any]], **options: Any) -> Dataset:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load(str(path), **options)


def said(dataset: Dataset) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in dataset.head(1)[0].messages or ()]


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        (
            {"messages": [USER, {"role": "assistant", "content": None, "refusal": "I can't say."}]},
            [("user", "How far?"), ("assistant", "I can't say.")],
        ),
        (
            {"messages": {"role": ["user", "assistant"], "content": ["How far?", "3 hours."]}},
            [("user", "How far?"), ("assistant", "3 hours.")],
        ),
        (
            {"prompt": "\n\nHuman: How far?\n\nAssistant:", "completion": " 3 hours."},
            [("user", "How far?"), ("assistant", "3 hours.")],
        ),
        (
            {"prompt": "USER: Hi ASSISTANT: Hello USER: How far? ASSISTANT:", "response": "3 hours."},
            [("user", "Hi"), ("assistant", "Hello"), ("user", "How far?"), ("assistant", "3 hours.")],
        ),
        (
            {
                "chat_history": [
                    {"role": "USER", "message": "Hi"},
                    {"role": "CHATBOT", "message": "Hello"},
                ],
                "message": "How far?",
                "response": "3 hours.",
            },
            [("user", "Hi"), ("assistant", "Hello"), ("user", "How far?"), ("assistant", "3 hours.")],
        ),
    ],
)
def test_each_says_what_its_tool_means(
    row: dict[str, Any], turns: list[tuple[str, str]], tmp_path: Path
) -> None:
    found = read(tmp_path / "a.jsonl", [row] * 9)
    assert said(found) == turns
    assert int(found.usable.sum()) == 9


def test_a_prompt_that_only_looks_like_a_conversation_stays(tmp_path: Path) -> None:
    row = {"prompt": "What follows 'Human: Hi'?\n\nAssistant: is wrong here.", "completion": "Nothing."}
    assert said(read(tmp_path / "a.jsonl", [row] * 9))[0] == ("user", row["prompt"])
    spoken = {"prompt": "\n\nHuman: How far?\n\nAssistant:", "completion": " 3 hours."}
    kept = read(tmp_path / "a.jsonl", [spoken] * 9, format="prompt-completion")
    assert said(kept) == [("user", spoken["prompt"]), ("assistant", " 3 hours.")]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"choices": ["1", "2", "3"], "answer": 2}, "only points"),
        ({"options": {"A": "near", "B": "far"}, "answer": "B"}, "only points"),
        ({"A": "near", "B": "far", "answer": "(b)"}, "only points"),
        ({"answer": "far", "label": 5}, "grades the answers"),
        ({"answer": "far", "label": [False]}, "rates the answers"),
    ],
)
def test_what_would_be_trained_wrongly_is_asked_about(more: dict[str, Any], why: str, tmp_path: Path) -> None:
    good = {"label": 1} if more.get("label") == 5 else {"label": [True]} if "label" in more else {}
    rows = [{"question": "How far?", **more}, {"question": "How far?", **more, **good}] * 6
    with pytest.raises(UserError, match=why) as fault:
        read(tmp_path / "a.jsonl", rows)
    asked = fault.value.remedy.split("--format ")[1].split()[0]
    assert read(tmp_path / "a.jsonl", rows, format=asked).stage == "sft"


@pytest.mark.parametrize(
    "row",
    [
        {"question": "How far?\nA) near\nB) far", "choices": ["near", "far"], "answer": "B"},
        {"question": "How far?", "choices": ["near", "far"], "answer": "far"},
        {"question": "Which letter follows A?", "answer": "B"},
        {"question": "How many?", "a": "a remark", "answer": "2"},
    ],
)
def test_an_answer_that_stands_for_itself_is_learned(row: dict[str, Any], tmp_path: Path) -> None:
    assert int(read(tmp_path / "a.jsonl", [row] * 9).usable.sum()) == 9


@pytest.mark.parametrize("words", [("accept", "reject"), ("accept", "reject", "ignore")])
def test_a_label_that_its_annotator_rejected_is_not_learned(words: tuple[str, ...], tmp_path: Path) -> None:
    rows = [{"text": f"Text {n}", "label": "POS", "answer": words[n % len(words)]} for n in range(12)]
    with pytest.raises(UserError, match="judges the labels"):
        read(tmp_path / "a.jsonl", rows)
    assert read(tmp_path / "a.jsonl", rows, format="classification").format == "classification"


def test_one_thumb_down_makes_a_file_of_judged_answers(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "answer": "a"} for n in range(11)]
    found = read(tmp_path / "a.jsonl", [*rows, {"question": "11?", "answer": "a", "label": False}])
    assert (found.format, int(found.usable.sum())) == ("kto", 1)
    assert any("without a label" in told for told in found.lost)


@pytest.mark.parametrize(
    "names", [("score_{}", "score_{}"), ("{}_score", "{}_score"), ("{}-rating", "{}-rating")]
)
def test_scores_that_contradict_the_names_of_the_answers(names: tuple[str, str], tmp_path: Path) -> None:
    high, low = names[0].format("chosen"), names[1].format("rejected")
    row = {"prompt": "How far?", "chosen": "3 hours.", "rejected": "No idea."}
    rows = (
        [{**row, high: 9.0, low: 1.0}] * 9 + [{**row, high: 1.0, low: 9.0}] * 2 + [{**row, high: 5, low: 5}]
    )
    found = read(tmp_path / "a.jsonl", rows)
    assert (found.format, found.rows) == ("preference", 10)
    assert any("rejected answer has the higher score" in told and "2 times" in told for told in found.lost)
    with pytest.raises(UserError, match="contradict chosen and rejected"):
        read(tmp_path / "a.jsonl", [{**row, high: 1.0, low: 9.0}] * 9)


def test_files_that_are_not_what_their_names_say(tmp_path: Path) -> None:
    lines = "".join(f"How far is {n}?;{n} hours\n" for n in range(9))
    for name, text in (
        ("a.tsv", "question;answer\n" + lines),
        ("b.csv", "\n\nquestion;answer\n" + lines),
        (
            "c.json",
            json.dumps(
                {
                    "question": {str(n): f"{n}?" for n in range(9)},
                    "answer": {str(8 - n): "a" for n in range(9)},
                }
            ),
        ),
        (
            "d.jsonl",
            "".join(
                "\ufeff" * (n == 5) + json.dumps({"question": f"{n}?", "answer": "a"}) + "\n"
                for n in range(9)
            ),
        ),
    ):
        (tmp_path / name).write_text(text)
        found = load(str(tmp_path / name))
        assert (found.format, int(found.usable.sum())) == ("prompt-completion", 9), name


def test_a_number_larger_than_any_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"question": "a?", "answer": 1e999}\n{"question": "b?", "answer": "b"}\n'
    )
    assert int(load(str(tmp_path / "a.jsonl")).usable.sum()) == 1
    (tmp_path / "b.jsonl").write_text(
        '{\n"question": "a?",\n"answer": "b"\n}\n{\n"question": "b?",\n"answer": "b"}\n'
    )
    with pytest.raises(UserError, match="another JSON value after the first"):
        load(str(tmp_path / "b.jsonl"))
