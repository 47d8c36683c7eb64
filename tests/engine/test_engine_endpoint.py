"""A real server as endpoint: llama.cpp serves a run's model, and `tuiftune evaluate` asks it over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from exports import Exporter
from typer.testing import CliRunner

from tuiftune.cli.main import build

if TYPE_CHECKING:
    from conftest import Engine


@pytest.mark.long
def test_the_scores_of_a_served_model_are_those_of_the_run(
    trained: Path, engine: Engine, llama_cpp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import xllamacpp

    monkeypatch.setenv("TUIFTUNE_LLAMA_CPP", str(llama_cpp))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    document = Exporter(engine, monkeypatch)(trained, "gguf", quantize="f16")
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(next(Path(document["directory"]).glob("*.gguf")))
    wanted.n_ctx = 256
    wanted.n_parallel = 1
    wanted.cpuparams.n_threads = 1
    wanted.warmup = False
    wanted.use_jinja = True
    server = xllamacpp.Server(wanted)
    rows = [json.loads(line) for line in (trained / "result" / "samples.jsonl").read_text().splitlines()]
    data = tmp_path / "rows.jsonl"
    data.write_text(
        "".join(json.dumps({"prompt": row["prompt"], "completion": row["reference"]}) + "\n" for row in rows)
    )
    words = [f"{server.listening_address}/v1", "--data", str(data), "--max-new-tokens", "8", "--json"]
    found = CliRunner().invoke(build(), ["evaluate", *words, "-o", str(tmp_path / "answers.jsonl")])
    assert found.exit_code == 0, found.output
    scores = json.loads(found.stdout)["evaluation"]
    told = [json.loads(line)["answer"] for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    same = sum(one.split() == row["after"].split() for one, row in zip(told, rows, strict=True))
    assert same >= 14, list(zip(told, [row["after"] for row in rows], strict=True))
    right = sum(row["matched_after"] for row in rows) / len(rows)
    assert scores["exact_match"] == pytest.approx(right, abs=2 / 16)
    assert scores["rows"] == 16
    assert scores["usage"]["tokens_in"] > 5
    assert scores["usage"]["tokens_out"] > 1
