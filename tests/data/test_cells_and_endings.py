"""Words that programs leave in empty cells, and white space after answers, are told with their rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from tuiftune.data.checks.answers import answers
from tuiftune.data.checks.check import Subject
from tuiftune.data.checks.encoding import placeholders
from tuiftune.data.clean.run import Settings, clean
from tuiftune.data.read.load import load


def jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


def rows_of(path: str, name: str) -> tuple[int, ...]:
    subject = Subject(load(path))
    found = {check.check: check.rows for stage in (placeholders, answers) for check in stage(subject)}
    return found[name]


SOUND = [
    {"instruction": f"Name dish {n}.", "input": "", "output": f"Dish {n} of the coast."} for n in range(6)
]


@pytest.mark.parametrize(
    "word",
    [
        "nan",
        "NaN",
        "None",
        "null",
        "<noinput>",
        "<NA>",
        "#N/A",
        "N/A",
        "[No input]",
        "#VALUE!",
        "#DIV/0!",
        "#NAME?",
    ],
)
@pytest.mark.parametrize("column", ["input", "output", "instruction"])
def test_words_that_stand_for_nothing(word: str, column: str, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [*SOUND, {**SOUND[0], column: word}])
    assert rows_of(path, "missing-values") == (7,)
    clean(load(path), tmp_path / "out.jsonl", Settings(drop=("missing-values",)))
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 6


@pytest.mark.parametrize("text", ["one_x000D_\ntwo", "_x000D_"])
def test_excels_line_ends(text: str, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [*SOUND, {**SOUND[0], "output": f"Dish {text}"}])
    assert rows_of(path, "missing-values") == (7,)
    clean(load(path), tmp_path / "out.jsonl", Settings())
    assert "_x000D_" not in (tmp_path / "out.jsonl").read_text()


def test_words_within_a_chat(tmp_path: Path) -> None:
    def chat(answer: str) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": answer}]}

    path = jsonl(tmp_path / "a.jsonl", [chat(f"a{n}") for n in range(6)] + [chat("nan")])
    assert rows_of(path, "missing-values") == (7,)


@pytest.mark.parametrize("sound", ["Nan is a bread.", "None of them.", "The value is null", "nan\nbread"])
def test_such_words_within_a_text_are_sound(sound: str, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [*SOUND, {**SOUND[0], "input": sound}])
    assert rows_of(path, "missing-values") == ()


def test_none_may_be_a_class(tmp_path: Path) -> None:
    rows = [{"text": f"t {n}", "label": ["None", "some"][n % 2]} for n in range(20)]
    path = jsonl(tmp_path / "a.jsonl", [*rows, {"text": "t", "label": "nan"}])
    assert rows_of(path, "missing-values") == (21,)


@pytest.mark.parametrize("end", ["\n", " ", "\r\n", "\t", "\n\n", "\u00a0"])
def test_answers_that_end_in_white_space(end: str, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [*SOUND, {**SOUND[0], "output": f"Dish 7{end}"}])
    assert rows_of(path, "trailing-space") == (7,)
    clean(load(path), tmp_path / "out.jsonl", Settings())
    assert rows_of(str(tmp_path / "out.jsonl"), "trailing-space") == ()

    def chat(*answers: str) -> dict[str, Any]:
        turns = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": one}] for one in answers]
        return {"messages": [turn for two in turns for turn in two]}

    path = jsonl(tmp_path / "b.jsonl", [chat("a", "b"), chat(f"a{end}", "b"), chat("a", f"b{end}")])
    assert rows_of(path, "trailing-space") == (2, 3)
