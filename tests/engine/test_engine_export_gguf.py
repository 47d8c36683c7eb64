"""A result leaves as GGUF: llama.cpp answers the evaluation rows as transformers does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny
from exports import Exporter, files

from tuiftune import assets
from tuiftune.engine.export.pretokenizers import KNOWN, matching

if TYPE_CHECKING:
    from conftest import Engine


@pytest.fixture
def export(engine: Engine, monkeypatch: pytest.MonkeyPatch, llama_cpp: Path) -> Exporter:
    exporter = Exporter(engine, monkeypatch)
    exporter.options["llama_cpp"] = str(llama_cpp)
    return exporter


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("form", ["q8_0", "f16"])
def test_llama_cpp_answers_as_the_run_did(trained: Path, export: Exporter, form: str) -> None:
    document = export(trained, "gguf", quantize=form)
    found = document["verified"]
    assert document["state"] == "verified", found
    assert found["engine"].startswith("llama.cpp")
    assert found["same_prompts"] == {"same": 16, "rows": 16}
    assert found["same_answers"]["same"] >= 14
    assert found["unended"] == 0
    assert 0 <= found["kl"]["mean"] < 0.01
    place = Path(document["directory"])
    assert f"colors-{form.upper()}.gguf" in files(place)
    assert not [name for name in files(place) if name.startswith(".")]
    assert f"colors-{form.upper()}.gguf" in document["use"][0]


def test_pre_tokenizers_are_told_apart_by_their_tokens() -> None:
    """The built-in model's tokenizer is known to no converter; each of llama.cpp's is taken for one."""
    text = (assets.BASE / "tokenizer.json").read_text(encoding="utf-8")
    assert matching(text, ["it's 12 o'clock"]) == "gpt-2"
    document = json.loads(text)
    for known in KNOWN:
        if known.whole:
            continue  # the same vocabulary would need tokens that no merge makes
        splits = [
            {"type": "Split", "pattern": {"Regex": one}, "behavior": "Isolated", "invert": False}
            for one in known.expressions
        ]
        bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        own = {**document, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*splits, bytes_]}}
        assert matching(json.dumps(own), []) is not None
    alone = {
        **document,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
    }
    assert matching(json.dumps(alone), []) is None


@pytest.mark.long
def test_the_built_in_model_leaves_as_every_gguf(export: Exporter, tmp_path: Path, engine: Engine) -> None:
    rows = tmp_path / "tickets.jsonl"
    rows.write_text("".join(assets.TRAIN.read_text(encoding="utf-8").splitlines(keepends=True)[:160]))
    preset = tiny.resolved(
        assets.BASE, rows, training__max_steps=20, evaluation__rows=12, data__max_length=256
    )
    run = tiny.make_run(tmp_path, "tickets", preset)
    assert engine.run("train", run) == (0, "")
    for target, form in (("gguf", "bf16"), ("gguf", "q8_0"), ("lmstudio", "q8_0"), ("ollama", "f16")):
        document = export(run, target, quantize=form)
        assert document["state"] == "verified", document["verified"]
        assert document["verified"]["same_prompts"]["same"] == 12
    place = Path(document["directory"])
    assert {"Modelfile", "tickets-F16.gguf"} <= files(place)
    assert (place / "Modelfile").read_text().startswith("FROM ./tickets-F16.gguf\n")


@pytest.mark.long
@pytest.mark.parametrize("form", ["f16", "f32"])
def test_an_adapter_on_its_base_models_file_answers_as_the_run_did(
    trained: Path, export: Exporter, form: str
) -> None:
    document = export(trained, "gguf-adapter", quantize=form)
    found = document["verified"]
    assert document["state"] == "verified", found
    assert found["engine"].startswith("llama.cpp")
    assert found["same_prompts"] == {"same": 16, "rows": 16}
    assert found["same_answers"]["same"] >= 15
    assert 0 <= found["kl"]["mean"] < 0.001
    assert "adapter.gguf" in files(Path(document["directory"]))


@pytest.mark.long
def test_another_adapter_than_the_runs_fails(
    trained: Path, export: Exporter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The check tells: with nothing of the adapter applied, the answers are the base model's."""
    export.fault = {"module": "hindered", "leaves_the_adapter_out": True}
    document = export(trained, "gguf-adapter", output=tmp_path / "out")
    assert document["state"] == "failed"
    assert "mean KL divergence" in " ".join(document["verified"]["faults"])
