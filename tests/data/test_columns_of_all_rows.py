"""Columns are those of all rows and all files; what no role reads is counted and said."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tuiftune.data.clean.run import Settings, clean
from tuiftune.data.read.load import load
from tuiftune.errors import UserError

EARLY = {"instruction": "Name a street.", "output": "High Street."}
LATE = {"instruction": "Translate.", "input": "The train is late.", "output": "Toget er forsinket."}
ROWS: list[dict[str, Any]] = [EARLY] * 600 + [LATE] * 40
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def jsonl(path: Path, rows: list[Any]) -> str:
    path.write_text(lines(rows))
    return str(path)


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], object]] = {
    "a.jsonl": lambda path, rows: path.write_text(lines(rows)),
    "a.jsonl.gz": lambda path, rows: path.write_bytes(gzip.compress(lines(rows).encode())),
    "utf16.jsonl": lambda path, rows: path.write_text(lines(rows), "utf-16"),
    "a.json": lambda path, rows: path.write_text(json.dumps(rows)),
    "under.json": lambda path, rows: path.write_text(json.dumps({"data": rows})),
    "a.csv": lambda path, rows: pl.DataFrame(rows, infer_schema_length=None).write_csv(path),
    "a.tsv": lambda path, rows: pl.DataFrame(rows, infer_schema_length=None).write_csv(path, separator="\t"),
    "a.parquet": lambda path, rows: pl.DataFrame(rows, infer_schema_length=None).write_parquet(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_column_that_only_later_rows_have_is_read(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, ROWS)
    dataset = load(str(tmp_path / name))
    assert (dataset.rows, dataset.format, dataset.lost) == (640, "instruction", [])
    assert dataset.columns["input"] == "input"
    assert "input" in dataset.source_columns
    prompts = [example.messages[0].content for example in dataset.examples() if example.messages]
    assert prompts == ["Name a street."] * 600 + ["Translate.\n\nThe train is late."] * 40


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_files_may_come_in_any_order(order: tuple[int, int], tmp_path: Path) -> None:
    files = [jsonl(tmp_path / "a.jsonl", [EARLY] * 12), jsonl(tmp_path / "b.jsonl", [LATE] * 12)]
    dataset = load([files[at] for at in order])
    assert dataset.columns == {"instruction": "instruction", "output": "output", "input": "input"}
    prompts = {example.messages[0].content for example in dataset.examples() if example.messages}
    assert prompts == {"Name a street.", "Translate.\n\nThe train is late."}
    assert dataset.lost == []


@pytest.mark.parametrize(
    ("role", "value", "system"),
    [
        ("system", "Be brief", "Be brief"),
        ("tools", [{"name": "fare"}], '# Tools\n[{"name": "fare"}]'),
    ],
)
@pytest.mark.parametrize("row", [{"messages": TURNS}, EARLY, {"question": "q?", "answer": "a"}])
def test_system_and_tools_of_later_rows(
    role: str, value: Any, system: str, row: dict[str, Any], tmp_path: Path
) -> None:
    dataset = load(jsonl(tmp_path / "a.jsonl", [row] * 600 + [{**row, role: value}] * 3))
    found = [example.messages[0] for example in dataset.examples() if example.messages]
    assert [message.content for message in found[600:]] == [system] * 3
    assert {message.role for message in found[:600]} == {"user"}


def test_what_is_cleaned_is_what_was_read(tmp_path: Path) -> None:
    rows = [{**row, "output": f"{row['output']} {n}"} for n, row in enumerate(ROWS)]
    clean(load(jsonl(tmp_path / "a.jsonl", rows)), tmp_path / "out.jsonl", Settings())
    last = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[-1])
    assert last["messages"][0]["content"] == "Translate.\n\nThe train is late."


def test_unread_columns_are_counted_by_the_rows_that_fill_them(tmp_path: Path) -> None:
    rows = [{**EARLY, "note": "x" if n % 2 else "", "empty": None} for n in range(600)]
    rows += [{**EARLY, "stray": {"a": 1}}] * 7 + [{**EARLY, "note": "y"}]
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.lost == ["columns not used: note (301 rows), stray (7 rows)"]


def test_a_mapped_column_may_come_late_or_in_another_file(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"q": "q?", "a": "b"}] * 600 + [{"q": "q?", "a": "b", "s": "Brief"}])
    mapped = {"prompt": "q", "completion": "a", "system": "s"}
    messages = list(load(path, columns=mapped).examples())[-1].messages or ()
    assert messages[0].content == "Brief"
    first = jsonl(tmp_path / "b.jsonl", [{"q": "q?", "a": "b"}] * 3)
    assert load([first, path], columns=mapped).rows == 604
    with pytest.raises(UserError, match='column "t" for the role system not found'):
        load([first, path], columns={**mapped, "system": "t"})


LATE_VERDICTS = [
    ({"rejected_response": "No."}, "preference"),
    ({"label": False}, "kto"),
    ({"feedback": "bad"}, "kto"),
]


@pytest.mark.parametrize(("more", "expected"), LATE_VERDICTS)
def test_a_judgement_that_comes_late_changes_what_the_file_is(
    more: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    rows = [{"messages": TURNS, "n": n} for n in range(600)] + [{"messages": TURNS, **more}] * 9
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.format == expected
    assert int(dataset.usable.sum()) == 9


def test_a_grade_that_comes_late_is_seen(tmp_path: Path) -> None:
    rows = [{"question": f"q{n}?", "answer": "a", "rating": 5 if n < 900 else 1} for n in range(1000)]
    with pytest.raises(UserError, match=r'"rating" grades the answers \(1, 5\)'):
        load(jsonl(tmp_path / "a.jsonl", rows))


def test_rows_of_another_layout_within_a_file_are_read_as_theirs(tmp_path: Path) -> None:
    rows = [[EARLY, {"messages": TURNS}, {"Question": "q?", "Answer": "a"}][n % 3] for n in range(30)]
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.usable.all()
    assert dataset.frame["row"].to_list() == list(range(1, 31))
    asked = [example.messages[0].content for example in dataset.head(3) if example.messages]
    assert asked == ["Name a street.", "Hi", "q?"]
    preferred = {"prompt": "q", "chosen": "a", "rejected": "b"}
    with pytest.raises(UserError, match="its rows are preference, the rows before it are instruction"):
        load(jsonl(tmp_path / "b.jsonl", [EARLY] * 600 + [preferred]))


def test_a_stray_row_is_said_and_left_out(tmp_path: Path) -> None:
    rows = [{"note": "written by hand on a rainy day in May"}, *[EARLY] * 20]
    dataset = load(jsonl(tmp_path / "a.jsonl", rows))
    assert (dataset.format, int(dataset.usable.sum())) == ("instruction", 20)
    assert dataset.lost == ["columns not used: note (1 row)"]
