"""Directories as they are found: full, of other files, with names that mean no file."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tuiftune import assets, outputs
from tuiftune.cli.main import build
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    from pathlib import Path

ROWS = "".join(
    json.dumps({"question": f"How far is {n}?", "answer": f"{n} hours."}) + "\n" for n in range(40)
)


def said(*words: str | Path) -> tuple[int, str]:
    """Exit code and what was said."""
    found = CliRunner().invoke(build(), [str(word) for word in words])
    if isinstance(found.exception, UserError):
        return found.exception.exit_code, str(found.exception)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.output


@pytest.mark.parametrize("output", ["/", "", ".", "there"])
def test_a_directory_is_no_output(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "a.jsonl").write_text(ROWS)
    code, words = said("data", "clean", "a.jsonl", "-o", output)
    assert (code, "Is a directory" in words) == (2, True)
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "there"]


def test_no_name_is_not_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text(ROWS)
    assert said("data", "inspect", "")[0] == 2


def test_a_disk_that_is_full_keeps_no_part_of_what_belongs_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows fit, their manifest does not."""
    (tmp_path / "a.jsonl").write_text(ROWS)
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.os, "fsync", full)
    code, words = said("data", "clean", tmp_path / "a.jsonl", "-o", tmp_path / "out.jsonl")
    assert code == ExitCode.DISK_FULL, words
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_what_cleaning_wrote_next_to_its_rows_is_no_data(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text(ROWS + ROWS)
    folder = tmp_path / "cleaned"
    folder.mkdir()
    assert said("data", "clean", raw, "-o", folder / "rows.jsonl")[0] == 0
    assert sorted(os.listdir(folder)) == ["rows.changes.jsonl", "rows.jsonl", "rows.manifest.json"]
    code, words = said("data", "inspect", folder, "--json")
    assert code == 0, words
    document = json.loads(words[words.index("{") :])
    assert (document["rows"], document["files"]) == (40, [str(folder / "rows.jsonl")])
    assert any("rows.changes.jsonl" in told for told in document["evidence"])


def test_a_place_of_runs_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for name, why in (("loop", "form a loop"), ("file", "is not a directory")):
        code, words = said("runs", "--runs", tmp_path / name)
        assert (code, why in words) == (2, True), words
    assert said("runs", "--runs", tmp_path / "none")[0] == 0


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("index", "names no files"),
        ("pipe", "not a regular file"),
        ("link", "a broken link"),
        ("tokenizer", "has no tokenizer"),
        ("pickle", "not safetensors"),
        ("parts", "weight files are missing: model.safetensors.index.json"),
    ],
)
def test_what_a_model_lacks_is_told_when_planning(fault: str, why: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(assets.BASE, model)
    weights = model / "model.safetensors"
    if fault == "tokenizer":
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (model / name).unlink()
    elif fault == "parts":
        weights.rename(model / "model-00001-of-00001.safetensors")
    elif fault == "index":  # of a whole file next to it nobody asks
        weights.rename(model / "model-00001-of-00001.safetensors")
        (model / "model.safetensors.index.json").write_text('{"weight_map": []}')
    else:
        weights.unlink()
        if fault == "pickle":
            (model / "pytorch_model.bin").write_bytes(b"PK")
        else:
            os.mkfifo(weights) if fault == "pipe" else weights.symlink_to("nowhere")
    code, words = said("plan", "demo", "--set", f"model.base={model}")
    assert (code, why in words) == (2, True), words
