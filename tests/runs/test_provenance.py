"""What a run comes from: told apart leaf by leaf, without secrets, with what decides its numbers."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.preset.schema import Preset
from tuiftune.runs import data_files, provenance
from tuiftune.runs.reproduction import Reproduced

if TYPE_CHECKING:
    from pathlib import Path

THEN: dict[str, Any] = {
    "data": [
        {"path": "/a.jsonl", "bytes": 3, "sha256": "1"},
        {"path": "/b.jsonl", "bytes": 3, "sha256": "2"},
    ],
    "model": {"reference": "x", "revision": "c1", "weights": "w", "tokenizer": "t", "template": None},
    "software": {"tuiftune": "0.1.0", "commit": "abc", "python": "3.11.7", "libraries": {"torch": "2.15"}},
    "machine": {
        "system": "Linux",
        "cpu": "c",
        "gpus": ["H200"],
        "driver": "580",
        "cuda": "13.0",
        "torch_cuda": None,
    },
    "command": ["tuiftune", "train", "a.yaml"],
    "environment": {"OMP_NUM_THREADS": "1"},
    "directory": "/home",
    "seed": 42,
}


def changed(**parts: Any) -> dict[str, Any]:
    return {**THEN, **parts}


def test_what_decides_nothing_is_no_difference() -> None:
    assert provenance.differences(THEN, changed(command=["tuiftune"], directory="/")) == []
    unknown = changed(model={**THEN["model"], "weights": None, "tokenizer": None})
    assert provenance.differences(THEN, unknown) == []  # it has to be downloaded first


def test_what_scores_the_answers_is_named_with_its_content(tmp_path: Path) -> None:
    """A file, or the files of a reward model in its directory or in that of its run."""
    rows, model, scorer = tmp_path / "a.jsonl", tmp_path / "run" / "result" / "model", tmp_path / "own.py"
    model.mkdir(parents=True)
    for file in (rows, scorer, model / "config.json", model / "model.safetensors", model.parent / "x.md"):
        file.write_text("{}")
    listed = [{"reward": "python", "path": str(scorer)}, {"reward": "model", "path": str(tmp_path / "run")}]
    method = {"stage": "grpo", "rewards": listed}
    values = {"model": {"base": "builtin:tiny"}, "data": {"train": str(rows)}, "method": method}
    found = data_files.files_of(Preset.model_validate(values))
    assert found == [rows, scorer, model / "config.json", model / "model.safetensors"]


@pytest.mark.parametrize(
    ("now", "what", "decides"),
    [
        (changed(data=THEN["data"][:1]), "data./b.jsonl", True),
        (changed(data=[{**THEN["data"][0], "sha256": "9"}, THEN["data"][1]]), "data./a.jsonl", True),
        (changed(model={**THEN["model"], "weights": "v"}), "model.weights", True),
        (changed(seed=1), "seed", True),
        (
            changed(software={**THEN["software"], "libraries": {"torch": "3"}}),
            "software.libraries.torch",
            False,
        ),
        (changed(machine={**THEN["machine"], "driver": "590"}), "machine.driver", False),
        (changed(environment={}), "environment.OMP_NUM_THREADS", False),
    ],
)
def test_each_difference_is_named(now: dict[str, Any], what: str, decides: bool) -> None:
    found = provenance.differences(THEN, now)
    assert what in [one["what"] for one in found]
    assert bool(provenance.of_inputs_differ(found)) is decides


def test_variables_that_matter_are_kept_and_secrets_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hf_" + "a1" * 17
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("TUIFTUNE_API_KEY", "sk-" + "b2" * 20)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("NCCL_DEBUG_FILE", f"/tmp/{token}")
    monkeypatch.setenv("EDITOR", "vi")
    kept = provenance.environment(os.environ)
    assert kept["CUDA_VISIBLE_DEVICES"] == "0"
    assert not {"HF_TOKEN", "TUIFTUNE_API_KEY", "EDITOR"} & kept.keys()
    assert token not in str(kept)


def test_the_software_is_this_checkout_with_the_libraries_that_compute(tmp_path: Path) -> None:
    told = provenance.software()
    assert told["commit"] is not None
    assert len(told["commit"].removesuffix("-dirty")) == 40
    assert {"torch", "transformers", "numpy", "safetensors"} <= told["libraries"].keys()
    (tmp_path / "file").write_text("abc")
    assert data_files.digest_of_file(tmp_path / "file").startswith("ba7816bf8f01cfea")


def test_the_same_run_is_the_same_only_where_everything_was_compared() -> None:
    same = {"adapter_model.safetensors": ("1", "1")}
    assert Reproduced(3, None, same).identical
    assert not Reproduced(0, None, same).identical
    assert not Reproduced(3, None, {}).identical
    assert not Reproduced(3, (2, 1.0, 1.1), same).identical
    assert not Reproduced(3, None, {"adapter_model.safetensors": ("1", None)}).identical


def test_data_that_changed_since_is_named(tmp_path: Path) -> None:
    rows, test = tmp_path / "rows.jsonl", tmp_path / "test.jsonl"
    for path in (rows, test):
        path.write_text('{"prompt": "a", "completion": "b"}\n')
    preset = Preset.model_validate({"model": {"base": "x"}, "data": {"train": str(rows), "test": str(test)}})
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    data = [
        {"path": str(path), "bytes": path.stat().st_size, "sha256": data_files.digest_of_file(path)}
        for path in (rows, test)
    ]
    run: Any = SimpleNamespace(
        name="one",
        plan_path=plan,
        planned=lambda: SimpleNamespace(document={"provenance": {"data": data}}),
        plan=lambda: SimpleNamespace(preset=lambda place: preset),
    )
    assert data_files.changed_told(run) == []
    later = plan.stat().st_mtime + 10
    os.utime(rows, (later, later))
    assert data_files.changed_data(run) == [], "written again, with the same rows"
    rows.write_text('{"prompt": "a", "completion": "c"}\n')
    os.utime(rows, (later, later))
    with test.open("a") as file:
        file.write("\n")
    assert data_files.changed_data(run) == [str(rows), str(test)]
    assert "Changed since one was trained: " in data_files.changed_told(run)[0]
