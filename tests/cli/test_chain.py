"""A preset file of several documents: each a run, one after another, beginning where it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.cli import chain, follow
from tuiftune.deploy import exporting
from tuiftune.errors import UserError
from tuiftune.preset.file import check, load, load_each
from tuiftune.preset.schema import Preset
from tuiftune.runs.store.base import model_of
from tuiftune.runs.store.directory import create

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

TWO = """# first the task
version: 1
name: task
model: {base: builtin:tiny}
data: {train: rows.jsonl}
---
# then the taste
name: taste
model: {base: run:task}
data: {train: pairs.jsonl}
method: {stage: dpo}
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_documents_are_presets_and_faults_name_the_line_of_the_file(tmp_path: Path) -> None:
    presets = load_each(written(tmp_path / "two.yaml", TWO))
    assert [(one.name, one.method.stage) for one in presets] == [("task", "sft"), ("taste", "dpo")]
    with pytest.raises(UserError, match=r"line 11.*mehod"):
        load_each(written(tmp_path / "wrong.yaml", TWO.replace("method:", "mehod:")))
    with pytest.raises(UserError, match="holds 2 presets, a chain, and one is wanted here"):
        load(tmp_path / "two.yaml")
    assert check(tmp_path / "two.yaml") == []
    assert [fault.place for fault in check(tmp_path / "wrong.yaml")] == [f"{tmp_path / 'wrong.yaml'} line 11"]
    one = written(tmp_path / "one.yaml", "---\n" + TWO.partition("---")[0])
    assert load_each(one) == [load(one)]


def test_what_a_chain_cannot_be_started_with(tmp_path: Path) -> None:
    presets = load_each(written(tmp_path / "two.yaml", TWO))
    nothing: dict[str, Any] = {"name": None, "detach": False, "dry_run": False, "json": False}
    chain.check(presets, **nothing)
    for option, value in (("name", "x"), ("detach", True), ("dry_run", True), ("json", True)):
        with pytest.raises(UserError, match="is a chain") as caught:
            chain.check(presets, **{**nothing, option: value})
        assert f"--{option.replace('_', '-')}" in str(caught.value)
    with pytest.raises(UserError, match="two presets of the chain have the name task"):
        chain.check([presets[0], presets[0]], **nothing)
    with pytest.raises(UserError, match="task is trained later in this chain"):
        chain.check(presets[::-1], **nothing)
    with pytest.raises(UserError, match="taste is this run itself"):
        chain.check([presets[0], presets[1].with_values({"model.base": "run:taste"})], **nothing)
    scores = presets[0].with_values({"method.stage": "reward"})
    with pytest.raises(UserError, match="it is a reward model"):
        chain.check([scores, presets[1]], **nothing)


def test_what_a_later_run_would_refuse_is_refused_before_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiftune.jobs.prepare.prepare", lambda *_, **__: pytest.fail("begun"))
    rows = [{"prompt": f"{n}?", "completion": f"{n}."} for n in range(20)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    presets = load_each(written(tmp_path / "two.yaml", TWO.replace("pairs", str(tmp_path / "pairs"))))
    with pytest.raises(UserError, match="these are prompt-completion rows"):
        chain.train(presets, None, keep_alive=False, preflight=None)


def test_a_reward_model_is_no_base_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUIFTUNE_RUNS", str(tmp_path))
    values = {"model": {"base": "builtin:tiny"}, "data": {"train": "x"}, "method": {"stage": "reward"}}
    run = create(tmp_path, "scores", "", {"resolved": Preset.model_validate(values).model_dump(mode="json")})
    (run.result_path / "result.json").write_text(json.dumps({"before": {}, "after": {}}))
    with pytest.raises(UserError, match="run:scores: it is a reward model"):
        model_of("scores")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Preparing and training as they are seen from a chain: what was begun with, and codes to end with."""
    seen: dict[str, Any] = {"bases": [], "codes": [0, 0], "merged": [], "adapter": True}

    def prepare(preset: Preset, root: Path | None, name: str | None, **rest: Any) -> RunDir:
        seen["bases"].append(preset.model.base)
        return create(tmp_path / "runs", f"{preset.name}-7", "", {"resolved": {}})

    def train(run: RunDir, **rest: Any) -> int:
        model = run.result_path / "model"
        model.mkdir(parents=True)
        (model / ("adapter_config.json" if seen["adapter"] else "config.json")).write_text("{}")
        (run.result_path / "result.json").write_text(json.dumps({"before": {}, "after": {}}))
        return int(seen["codes"].pop(0))

    monkeypatch.setattr("tuiftune.plan.inputs.load_rows", lambda preset: None)
    monkeypatch.setattr("tuiftune.jobs.prepare.prepare", prepare)
    monkeypatch.setattr(follow, "train_and_follow", train)
    monkeypatch.setattr(follow, "closing", lambda run: [])
    monkeypatch.setattr("tuiftune.runs.state.liveness.status", lambda run: "done")
    monkeypatch.setattr(exporting, "prepare", lambda run, wanted: (run.name, wanted.target))
    monkeypatch.setattr(exporting, "export", lambda prepared, tell: seen["merged"].append(prepared))
    return seen


def test_a_run_begins_with_the_merged_model_of_the_one_before(tmp_path: Path, world: dict[str, Any]) -> None:
    presets = load_each(written(tmp_path / "two.yaml", TWO))
    assert chain.train(presets, None, keep_alive=False, preflight=None) == 0
    assert world["bases"] == ["builtin:tiny", f"run:{tmp_path / 'runs' / 'task-7'}"]
    assert world["merged"] == [("task-7", "merged")]


def test_a_whole_model_needs_no_merging_and_a_failure_ends_the_chain(
    tmp_path: Path, world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    presets = load_each(written(tmp_path / "two.yaml", TWO))
    world["adapter"] = False
    assert chain.train(presets, None, keep_alive=False, preflight=None) == 0
    assert world["merged"] == []
    world["codes"] = [5]
    for path in (tmp_path / "runs").iterdir():
        path.rename(path.with_name(f"old-{path.name}"))
    assert chain.train(presets, None, keep_alive=False, preflight=None) == 5
    assert "runs not started: 1" in capsys.readouterr().err
