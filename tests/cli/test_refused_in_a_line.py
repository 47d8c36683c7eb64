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
from tuiftune.cli import chat_lines
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
