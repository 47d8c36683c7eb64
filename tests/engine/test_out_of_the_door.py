"""From a tiny model to a client's stream: trained, merged, GGUF, answered by llama.cpp, served, asked."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from exports import Exporter
from gguf import GGUFReader
from openai import OpenAI

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Engine

ROWS = 16
TUIFTUNE = [sys.executable, "-m", "tuiftune"]
LIBRARY = "@node-llama-cpp/linux-x64@3.22.1"


@pytest.fixture
def export(engine: Engine, monkeypatch: pytest.MonkeyPatch, llama_cpp: Path, tmp_path: Path) -> Exporter:
    exporter = Exporter(engine, monkeypatch)
    exporter.options["llama_cpp"] = f"{llama_cpp}:{fetch_library(tmp_path)}"
    return exporter


def fetch_library(room: Path) -> Path:
    """llama.cpp's library, which quantizes to K-quants, out of the package index of Node."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm, which has llama.cpp's library, is not here")
    subprocess.run([npm, "pack", "-s", LIBRARY], cwd=room, check=True)
    with tarfile.open(next(room.glob("*.tgz"))) as packed:
        packed.extractall(room, filter="data")
    return room / "package" / "bins" / "linux-x64"


@pytest.mark.long
def test_what_was_trained_is_what_a_client_gets(
    export: Exporter, engine: Engine, data: Path, tmp_path: Path
) -> None:
    """A width of 256, as K-quants need it."""
    base = tmp_path / "wide"
    engine.wait_for("tiny:make_wide", str(base))
    preset = tiny.resolved(base, data, training__max_steps=60, evaluation__rows=ROWS)
    run = tiny.make_run(tmp_path, "wide-run", preset)
    assert engine.run("train", run) == (0, "")
    scored = [json.loads(line) for line in (run / "result" / "samples.jsonl").open()]
    assert sum(row["matched_after"] for row in scored) > 8, "it learned something to be compared"

    merged = export(run, "merged")
    assert merged["state"] == "verified", merged["verified"]
    assert merged["verified"]["engine"].startswith("transformers")
    files, sizes = {}, {}
    for form, same in (("f16", ROWS), ("q8_0", ROWS - 1), ("q6_k", ROWS - 2), ("q4_k_m", ROWS // 2)):
        document = export(run, "gguf", quantize=form)
        found = document["verified"]
        assert document["state"] == "verified", found
        assert found["engine"].startswith("llama.cpp")
        assert found["same_prompts"] == {"same": ROWS, "rows": ROWS}
        assert found["same_answers"]["same"] >= same, (form, found)
        files[form], sizes[form] = next(Path(document["directory"]).glob("*.gguf")), document["bytes"]
    assert sizes["q4_k_m"] < sizes["q6_k"] < sizes["q8_0"] < sizes["f16"]
    kinds = {tensor.tensor_type.name for tensor in GGUFReader(files["q4_k_m"]).tensors}
    assert {"Q4_K", "Q6_K"} <= kinds, kinds

    # As a user serves it, and as a user's client asks.
    for what in (files["f16"], files["q8_0"], Path(merged["directory"])):
        with served(what, tmp_path / f"{what.name}.log") as url:
            client = OpenAI(base_url=url, api_key="none")
            for row in scored[:4]:
                assert _asked(client, row["prompt"]) == row["after"]
            drift = evaluated(url, data, run) if what is files["q8_0"] else None
        logged = [
            json.loads(line)["messages"][-1]["content"] for line in (tmp_path / f"{what.name}.log").open()
        ]
        assert logged[:4] == [row["after"] for row in scored[:4]]
        if drift is not None:  # the served file against the run itself: no drift, with an interval
            found = drift["differences"]["exact_match"]
            assert found["rows"] == 24
            assert abs(found["value"]) <= 1 / 24
            assert found["interval"][0] <= 0 <= found["interval"][1]


@contextmanager
def served(what: Path, log: Path) -> Iterator[str]:
    """The address of `tuiftune serve`, while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["serve", f"colors={what}", "--port", str(port), "--log-requests", str(log)]
    process = subprocess.Popen([*TUIFTUNE, *command], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "Serving colors" in line, line + process.stderr.read()
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        assert process.wait(30) == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server ends with its command"


def evaluated(url: str, data: Path, run: Path) -> dict[str, Any]:
    """What `tuiftune evaluate ENDPOINT --against RUN` says of rows."""
    command = ["evaluate", url, "--data", str(data), "--rows", "24", "--against", str(run), "--json"]
    done = subprocess.run([*TUIFTUNE, *command], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def _asked(client: Any, prompt: str) -> str:
    messages = [{"role": "user", "content": prompt}]
    chunks = client.chat.completions.create(model="colors", messages=messages, stream=True, temperature=0)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len(pieces) > 1, "it came in pieces"
    return "".join(pieces)
