"""A bundle: enough to reproduce a run, and neither its rows nor anybody's secrets."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tuiftune.runs.reports.bundle import bundle
from tuiftune.runs.store.directory import RunDir
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = "hf_" + "a1B2" * 10
ROW = "The lamp is violet."


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    path = tmp_path / "runs" / "tone"
    files: Mapping[str, str] = {
        "preset.yaml": "model: {base: builtin:tiny}\ndata: {train: t.jsonl}\n",
        "plan.json": json.dumps({"resolved": {"name": "tone"}}),
        "events.jsonl": json.dumps({"v": 1, "seq": 1, "t": 2.0, "type": "warning", "message": TOKEN}) + "\n",
        "engine.log": f"x\n{TOKEN}\n",
        "samples.jsonl": ROW,
        "result/samples.jsonl": ROW,
        "result/README.md": "# tone\n",
        "result/result.json": json.dumps({"after": {"loss": 0.5}, "samples": [{"prompt": ROW}]}),
        "result/chat/history.jsonl": ROW,
        "result/model/model.safetensors": "weights",
        "checkpoints/checkpoint-4/model.safetensors": "weights",
    }
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return RunDir(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_inside(run: RunDir, zipped: bool) -> None:
    file = io.BytesIO()
    parts = bundle(run, file, zipped=zipped)
    file.seek(0)
    if zipped:
        archive = zipfile.ZipFile(file)
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    else:
        with tarfile.open(fileobj=file) as tar:
            texts = {one.name: tar.extractfile(one).read().decode() for one in tar}  # type: ignore[union-attr]
    assert set(texts) == {f"tone/{part.name}" for part in parts}
    assert "tone/engine.log" in texts
    assert json.loads(texts["tone/result/result.json"]) == {"after": {"loss": 0.5}}
    contents = json.loads(texts["tone/contents.json"])
    assert contents["checkpoints"] == [{"name": "checkpoint-4", "bytes": 7}]
    assert set(contents["left_out"]) == {
        "samples.jsonl", "result/samples.jsonl", "result/chat", "result/model", "checkpoints",
    }  # fmt: skip
    assert contents["libraries"]["torch"]
    everything = "".join(texts.values())
    assert ROW not in everything
    assert "weights" not in everything.replace("the weights", "")
    assert TOKEN not in everything
    assert "[secret]" in texts["tone/events.jsonl"]


def test_the_command(run: RunDir, tmp_path: Path) -> None:
    def tuiftune(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tuiftune", "bundle", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    said = tuiftune(str(run.path))
    assert said.returncode == 0, said.stderr
    assert "plan.json" in said.stderr
    assert tarfile.is_tarfile(tmp_path / "tone.tar.gz")
    again = tuiftune(str(run.path))
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "exists already" in again.stderr
    (run.path / "engine.log").unlink()
    listed = tuiftune("tone", "-o", str(Path("out.zip")), "--json")
    assert listed.returncode == 0
    jsonschema.validate(json.loads(listed.stdout), registry.json_schema("bundle"))
    assert zipfile.is_zipfile(tmp_path / "out.zip")
    assert tuiftune("none").returncode == 2
