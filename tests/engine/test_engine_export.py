"""A result leaves as it was trained: merged, as an adapter, and refused where it cannot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import test_engine_families
import tiny
from exports import Exporter, files

from tuiftune import techniques
from tuiftune.deploy import exporting, manifest
from tuiftune.deploy.request import Wanted
from tuiftune.errors import ExitCode, UserError
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from conftest import Engine

STEPS = 40
KINDS = [
    kind for kind in test_engine_families.TABLE["tested"] if kind not in test_engine_families.NO_ADAPTERS
]


@pytest.fixture
def export(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Exporter:
    return Exporter(engine, monkeypatch)


def logits(directory: Path, base: Path | None = None) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(base or directory, dtype=torch.float32)
    if base is not None:
        loaded = PeftModel.from_pretrained(loaded, directory)
    with torch.no_grad():
        return loaded.eval()(torch.arange(40)[None]).logits


def test_a_merged_model_answers_as_the_run_did(trained: Path, model: Path, export: Exporter) -> None:
    import torch

    document = export(trained, "merged")
    place = Path(document["directory"])
    assert place == trained / "exports" / "merged"
    assert document["state"] == "verified", document["verified"]
    found = document["verified"]
    assert found["same_prompts"] == {"same": 16, "rows": 16}
    assert found["same_answers"]["same"] >= 15
    assert found["exact_match"]["artifact"]["share"] > 0.25
    assert found["kl"]["tokens"] > 20
    assert found["kl"]["mean"] < 0.01
    assert {"loading", "merging", "verifying"} <= set(export.told)
    # A base model in float32 leaves in bfloat16: what rounding did to it, and nothing more.
    as_trained, merged = logits(trained / "result" / "model", model), logits(place)
    assert torch.allclose(as_trained, merged, atol=0.1)
    assert (as_trained - merged).abs().max() < (as_trained - logits(model)).abs().max() / 10
    config = json.loads((place / "config.json").read_text())
    assert (config["dtype"], config["tie_word_embeddings"]) == ("bfloat16", True)
    assert {"README.md", "generation_config.json", "tokenizer.json", "chat_template.jinja"} <= files(place)
    assert manifest.read(place) == {key: value for key, value in document.items() if key != "directory"}
    card = (place / "README.md").read_text()
    assert str(place) not in card, "it is read on other machines"
    assert "same answers as the run" in card
    assert "peft" not in card.partition("---\n")[2].partition("---")[0]


def test_the_adapter_leaves_with_the_name_of_its_base_model(
    trained: Path, model: Path, export: Exporter
) -> None:
    document = export(trained, "adapter")
    assert document["state"] == "verified", document["verified"]
    assert document["verified"]["kl"]["mean"] < 1e-6
    place = Path(document["directory"])
    config = json.loads((place / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(model)
    assert "--max-lora-rank 8" in document["use"][0]
    assert "Not run by us: vLLM" in (place / "README.md").read_text()


def test_what_was_not_merged_fails_and_is_marked(
    trained: Path, engine: Engine, export: Exporter, tmp_path: Path
) -> None:
    """The base model in place of the merged one: the answers tell."""
    export.fault = {"module": "hindered", "merges_nothing": True}
    document = export(trained, "merged", output=tmp_path / "wrong")
    assert document["state"] == "failed"
    faults = " ".join(document["verified"]["faults"])
    assert "mean KL divergence" in faults
    assert "right answers became wrong" in faults
    card = (tmp_path / "wrong" / "README.md").read_text()
    assert "**Verification failed.**" in card
    assert card.startswith("---")
    assert (manifest.read(tmp_path / "wrong") or {})["state"] == "failed"


def test_rows_that_changed_since_are_not_compared_with_the_runs_answers(
    trained: Path, tmp_path: Path
) -> None:
    from tuiftune.deploy.words import verified
    from tuiftune.engine.export.opened import open_result

    run = tmp_path / "run"
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns("checkpoints", "exports"))
    kept = run / "result" / "samples.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    for row in rows[:5]:  # as if the file of rows had others at these numbers now
        row["reference"] = "another answer"
    rows[5]["prompt"] = "another prompt"
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows))
    opened = open_result(RunDir(run), None, {})
    found = opened.rows(opened.tokenizer())
    assert (len(found.answers), found.scored, len(found.questions)) == (10, 16, 16)
    said = {
        "faults": [], "engine": "e", "rows": 16, "unended": 0, "kl": {"mean": None, "limit": 1},
        "same_answers": {"same": 1, "rows": 1}, "same_prompts": {"same": 1, "rows": 1},
        "changed": "10 of 16 rows that the run was scored on are still there",
    }  # fmt: skip
    assert any(
        line.startswith("the data changed since the run was trained") for line in verified({"verified": said})
    )


def test_a_half_written_export_is_continued(
    engine: Engine, data: Path, tmp_path: Path, export: Exporter
) -> None:
    base = tmp_path / "base"
    engine.wait_for("tiny:make_shards", str(base), "60KB")
    preset = tiny.resolved(base, data, training__max_steps=2)
    run = tiny.make_run(tmp_path, "sharded", preset)
    assert engine.run("train", run) == (0, "")
    place = tmp_path / "out"
    prepared = exporting.prepare(RunDir(run), Wanted("merged", output=place))
    whole = export(run, "merged", output=place)
    shards = sorted(place.glob("model-*.safetensors"))
    assert len(shards) > 2
    wanted = {path.name: path.read_bytes() for path in shards}

    exporting._stage(prepared)  # as an attempt that was interrupted leaves it
    kept = prepared.staged / shards[0].name
    shutil.copy(shards[0], kept)
    (prepared.staged / shards[1].name).write_bytes(wanted[shards[1].name][:-1])
    seen = kept.stat().st_ino, kept.stat().st_mtime_ns
    again = export(run, "merged", output=place)
    assert (place / shards[0].name).stat().st_ino == seen[0]
    assert (place / shards[0].name).stat().st_mtime_ns == seen[1]
    assert {path.name: path.read_bytes() for path in sorted(place.glob("model-*"))} == wanted
    assert again["state"] == whole["state"]
    assert not prepared.staged.exists()

    (place / "NOTES.md").write_text("my own")
    with pytest.raises(UserError, match=r"holds files that are not of the earlier export \(NOTES.md\)"):
        export(run, "merged", output=place, verify=False)
    (place / "NOTES.md").unlink()
    other = RunDir(shutil.copytree(run, tmp_path / "elsewhere" / "sharded"))
    lines = other.events_path.read_text().splitlines(keepends=True)
    other.events_path.write_text("".join([lines[0].replace('"v"', ' "v"'), *lines[1:]]))
    with pytest.raises(UserError, match="an earlier export of another run of this name"):
        exporting.prepare(other, Wanted("merged", output=place))
    with (
        exporting._alone(prepared.staged),
        pytest.raises(UserError, match="another export is writing there"),
    ):
        export(run, "merged", output=place)
    (prepared.staged / "leftover").write_text("of another export")
    export(run, "merged", output=place, verify=False)
    assert "leftover" not in files(place)
    assert (manifest.read(place) or {})["state"] == "not verified"


def test_a_base_model_that_was_changed_or_is_gone_is_named(
    trained: Path, model: Path, export: Exporter, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(model, moved)
    document = export(trained, "merged", base=moved, output=tmp_path / "out", verify=False)
    assert document["state"] == "not verified"
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match="the base model's weights changed since the run was trained"):
        export(trained, "merged", base=moved, output=tmp_path / "out")
    with pytest.raises(UserError, match=r"cannot be found .* name its directory with --base DIR"):
        export(trained, "merged", base=tmp_path / "nowhere")


def test_what_cannot_be_is_refused_before_anything_is_written(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.hardware import disks

    run = RunDir(trained)

    def refused(target: str, **wanted: Any) -> UserError:
        with pytest.raises(UserError) as caught:
            exporting.prepare(run, Wanted(target, **wanted))
        assert "\n" not in str(caught.value)
        return caught.value

    assert "Did you mean merged?" in str(refused("merge"))
    assert "ne of auto, bfloat16, float16" in str(refused("merged", quantize="q4"))
    assert "t belongs to ollama, hub" in str(refused("merged", options=(("upload", "yes"),)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    assert "is not an earlier export" in str(refused("merged", output=tmp_path / "mine"))
    small = type(disks.disk_of(tmp_path))(str(tmp_path), "/", "ext4", 10**9, 10**6)
    monkeypatch.setattr(disks, "disk_of", lambda path: small)
    full = refused("merged")
    assert (full.exit_code, "not enough disk" in str(full)) == (ExitCode.DOES_NOT_FIT, True)
    config = trained / "result" / "model" / "adapter_config.json"
    own = config.read_text()
    try:
        for key, value, words in (
            ("use_dora", True, "refuse DoRA adapters"),
            ("modules_to_save", ["lm_head"], "whole modules in them (lm_head)"),
            ("r", 1024, "rank 1024 is above 512"),
            ("target_parameters", ["experts.down_proj"], "a mixture's experts"),
        ):
            config.write_text(json.dumps(json.loads(own) | {key: value}))
            assert words in str(refused("adapter"))
    finally:
        config.write_text(own)


def test_the_command_says_what_came_of_it(
    trained: Path, export: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jsonschema
    from typer.testing import CliRunner

    from tuiftune.cli.main import build
    from tuiftune.schemas import registry

    call = CliRunner().invoke
    told = call(build(), ["export", str(trained), "--json"])
    jsonschema.validate(json.loads(told.stdout), registry.json_schema("export-targets"))
    targets = {one["target"]: one for one in json.loads(told.stdout)["targets"]}
    assert targets["merged"]["possible"]
    assert targets["int8"]["possible"]
    out = str(tmp_path / "out")
    done = call(build(), ["export", str(trained), "--to", "merged", "-o", out, "--no-verify", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["state"]) == (0, "not verified")
    jsonschema.validate(json.loads(done.stdout), registry.json_schema("export"))
    export.fault = {"module": "hindered", "merges_nothing": True}
    done = call(build(), ["export", str(trained), "--to", "merged", "-o", out])
    assert done.exit_code == 1
    assert "Verification FAILED" in done.stdout


@pytest.mark.long
def test_eight_bits_are_read_back_and_answer_as_the_run_did(trained: Path, export: Exporter) -> None:
    document = export(trained, "int8")
    found = document["verified"]
    assert document["state"] == "verified", found
    assert found["engine"].startswith("transformers")
    assert found["same_prompts"] == {"same": 16, "rows": 16}
    assert found["same_answers"]["same"] >= 14
    assert 0 < found["kl"]["mean"] < 0.02, "quantized, and not far from it"
    config = json.loads((Path(document["directory"]) / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "torchao"


@pytest.mark.long
@pytest.mark.parametrize("technique", [key for key, one in techniques.every().items() if not one.quantized])
@pytest.mark.parametrize("saved", [[], ["embeddings", "lm_head"]], ids=["alone", "with-embeddings"])
def test_every_technique_leaves_as_it_was_trained(
    technique: str, saved: list[str], engine: Engine, make_run: Any, export: Exporter
) -> None:
    if saved and not techniques.find(technique).adapters:
        pytest.skip("no modules are trained in addition")
    more: dict[str, Any] = {"method__modules_to_save": saved} if saved else {}
    if technique == "last_layers":
        more["method__trained_layers"] = 1  # of two
    run = make_run(method__technique=technique, training__max_steps=STEPS, evaluation__rows=16, **more)
    assert engine.run("train", run) == (0, "")
    document = export(run, "merged")
    assert document["state"] == "verified", document["verified"]
    assert document["verified"]["kl"]["mean"] < 1e-3
    learns_little = technique == "ln_tuning"  # its answers lie close together after so few steps
    assert document["verified"]["same_answers"]["same"] >= (12 if learns_little else 15)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_merges_as_peft_computes_it(engine: Engine, tmp_path: Path, kind: str) -> None:
    engine.wait_for("merged_families:write", str(tmp_path / "found.json"), kind)
    found = json.loads((tmp_path / "found.json").read_text())
    assert "fault" not in found, found["fault"]
    if "refused" not in found:
        assert found["merged"] < 1e-3 * found["base"], found


@pytest.mark.long
def test_merging_holds_less_than_two_files(engine: Engine, tmp_path: Path) -> None:
    """Less than two files of twelve and the products of the largest weight, and never the model."""
    engine.wait_for("merged_families:peak", str(tmp_path / "found.json"))
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["whole"] > 8 * found["file"]
    assert found["beyond"] < 2 * found["file"] + 2**28
    assert found["beyond"] < found["whole"] / 2
