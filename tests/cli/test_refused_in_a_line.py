"""What commands are asked that they cannot do: one line that names the option, before anything is loaded."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuiftune.chat import serving
from tuiftune.chat.source import source
from tuiftune.cli import chat_lines, main, new
from tuiftune.cli.main import build
from tuiftune.errors import UserError
from tuiftune.jobs.prepare import prepare
from tuiftune.preset.file import loads

RECORDED = Path(__file__).parents[1] / "fixtures" / "demo"


def test_a_prompt_that_is_not_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", given)
    with pytest.raises(UserError, match="not UTF-8 text"):
        chat_lines.once([], None, None, as_json=False)  # type: ignore[arg-type]


def test_a_served_name_needs_a_model() -> None:
    with pytest.raises(UserError, match="demo=: it names no model"):
        serving._served("demo=", None)


def test_an_endpoint_and_a_directory_of_something_else_are_no_model_to_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "documents").mkdir()
    for name, says in (
        ("http://127.0.0.1:8000/v1", "is an endpoint"),
        ("documents", "documents: holds neither a run nor a model"),
        ("nothing", "nothing: run not found"),
    ):
        with pytest.raises(UserError, match=says):
            source(name)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["export", "demo", "--quantize", "q8_0"], "no target is named"),
        (["bundle", "demo", "-o", "demo.rar"], "a .tar.gz or a .zip file"),
    ],
)
def test_options_that_cannot_be(words: list[str], says: str, tmp_path: Path) -> None:
    shutil.copytree(RECORDED, tmp_path / "runs" / "demo")
    done = CliRunner().invoke(build(), [*words, "--runs", str(tmp_path / "runs")])
    assert isinstance(done.exception, UserError)
    assert says in str(done.exception)


def test_pairs_that_compare_nothing_are_refused_before_a_run_is_made(tmp_path: Path) -> None:
    rows = [{"prompt": f"ask {number}", "chosen": "same", "rejected": "same"} for number in range(16)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    preset = loads(
        f"version: 1\nmodel: {{base: 'builtin:tiny'}}\ndata: {{train: '{tmp_path / 'pairs.jsonl'}'}}\n"
        "method: {stage: dpo}\n",
        "dpo.yaml",
    )
    with pytest.raises(UserError, match="are equal in all 15 training rows"):
        prepare(preset, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.jsonl", '{"prompt": "a", "completion": "b"}\n'),
        ("rows.CSV.gz", "prompt,completion\n"),
        ("rows.json", ' [{"prompt": "a"}]'),
        ("split.json", '{"train": [{"prompt": "a"}]}'),
    ],
)
def test_rows_given_for_a_preset_lead_to_the_wizard(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    for command in ("plan", "train"):
        ended = CliRunner().invoke(build(), [command, str(path)], prog_name="tuiftune")
        assert f"is a data file, not a preset. Make a preset for it: `tuiftune new {path}`" in str(
            ended.exception
        )
    assert new._beginning(str(path)).data == (str(path),)


@pytest.mark.parametrize("given", ["builtin:tickets", "hf:acme/rows", "rows/*.jsonl", "."])
def test_data_of_any_place_begins_the_wizard(given: str) -> None:
    assert new._beginning(given).data == (given,)


def test_a_preset_as_json_is_still_one(tmp_path: Path) -> None:
    path = tmp_path / "preset.json"
    path.write_text('{"model": {"base": "builtin:tiny"}, "data": {"train": "rows.jsonl"}}', encoding="utf-8")
    assert new._beginning(str(path)).model == "builtin:tiny"


def test_a_file_in_the_place_of_a_command_leads_to_the_wizard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("prompt,completion\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["tuiftune", "rows.csv"])
    assert main._ended() == 2
    assert capsys.readouterr().err.endswith("Start with it: `tuiftune new rows.csv`\n")
