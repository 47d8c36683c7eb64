"""Agreement of annotators: known values of alpha, the rows to label again, bad input in one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from typer.testing import CliRunner

from tuiftune.cli.main import build
from tuiftune.errors import UserError
from tuiftune.evaluate import agreement
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from pathlib import Path

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", D: four observers, values missing.
OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
ROWS = [
    {"text": f"row {at}", **{f"rater_{n}": one if one != "." else "" for n, one in enumerate(labels, 1)}}
    for at, labels in enumerate(zip(*(line.split() for line in OBSERVERS), strict=True), 1)
]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_krippendorffs(level: Any, alpha: float) -> None:
    found = agreement.measure(ROWS, agreement.columns_in(ROWS), level)
    assert found.alpha == pytest.approx(alpha, abs=5e-4)
    assert found.rows == 11, "a row of one observer tells nothing"
    assert found.columns == ("rater_1", "rater_2", "rater_3", "rater_4")


def test_rows_to_label_again_and_the_majority(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    again, kept = tmp_path / "again.jsonl", tmp_path / "kept.jsonl"
    words = ["data", "agreement", str(file), "--json", "--disputed", str(again), "-o", str(kept)]
    found = CliRunner().invoke(build(), words)
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    jsonschema.validate(document, registry.json_schema("agreement"))
    assert document["disputed_rows"] == [6, 2, 8]
    assert [json.loads(line)["row"] for line in again.read_text().splitlines()] == [6, 2, 8]
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len(rows) == 11, "of row 6, no label has a majority"
    assert rows[1] == {"text": "row 2", "label": "2", "annotators": 4, "agreed": 3}
    told = CliRunner().invoke(build(), words[:3]).stdout
    assert "4 annotators agree on 72.7% of 11 rows." in told
    assert "alpha 0.743 (nominal): good enough for tentative conclusions" in told


def test_one_label_alone_has_no_alpha() -> None:
    found = agreement.measure([{"a": "x", "b": "x"}] * 3, ["a", "b"])
    assert found.alpha is None
    assert "all labels are the same" in found.sentences[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "needs two columns or more"),
        (["--columns", "text,nobody"], "no column 'nobody'"),
        (["--columns", "text,other", "--level", "interval"], "labels are not numbers"),
        (["--columns", "text,other", "--level", "ratio"], "unknown level"),
        (["--columns", "text,empty"], "no row has labels of two annotators"),
    ],
)
def test_bad_input_is_one_line(options: list[str], says: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "a", "other": "b", "empty": ""}\n' * 2)
    found = CliRunner().invoke(build(), ["data", "agreement", str(file), *options])
    assert isinstance(found.exception, UserError), found.output
    assert says in str(found.exception)
    assert found.exception.exit_code == 2
