"""A run as the base model of the next one: its whole model, or its adapter merged into its base."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tuiftune import assets, run_models
from tuiftune.errors import UserError
from tuiftune.models.resolve import resolve
from tuiftune.plan.document import document
from tuiftune.plan.inputs import to_look_at
from tuiftune.preset.schema import Preset
from tuiftune.runs.store.base import model_of
from tuiftune.runs.store.directory import create

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run with its directory; what it came to is put there by the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_models, "_finders", [model_of])
    return create(tmp_path / "runs", "first", "", {"resolved": {}})


def done(run: RunDir) -> None:
    run.result_path.mkdir(exist_ok=True)
    (run.result_path / "result.json").write_text(json.dumps({"before": {}, "after": {}}))


def test_a_whole_model_is_begun_with_and_an_adapter_has_to_be_merged(first: RunDir) -> None:
    with pytest.raises(UserError, match="no result to begin with"):
        resolve("run:first")
    done(first)
    adapter = first.result_path / "model"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"is an adapter.*tuiftune export first --to merged"):
        resolve("run:first")
    merged = first.path / "exports" / "merged"
    shutil.copytree(assets.BASE, merged)
    assert resolve("run:first").path == merged
    shutil.rmtree(adapter)
    shutil.copytree(assets.BASE, adapter)
    found = resolve("run:first")
    assert (found.path, found.parameters) == (adapter, resolve("builtin:tiny").parameters)
    assert resolve(f"run:{first.path}").path == adapter, "as a chain names it"
    with pytest.raises(UserError, match="other"):
        resolve("run:other")


def test_a_plan_of_the_next_run_names_the_directory(first: RunDir, tmp_path: Path) -> None:
    done(first)
    shutil.copytree(assets.BASE, first.result_path / "model")
    (tmp_path / "pairs.jsonl").write_text(
        "".join(
            json.dumps({"prompt": f"q {n}", "chosen": f"yes {n}", "rejected": "no"}) + "\n" for n in range(30)
        )
    )
    preset = Preset.model_validate(
        {"model": {"base": "run:first"}, "data": {"train": "pairs.jsonl"}, "method": {"stage": "dpo"}}
    )
    inputs = to_look_at(preset)
    plan = document(inputs.plan())
    assert plan["resolved"]["method"]["stage"] == "dpo"
    assert inputs.model.path == first.result_path / "model"
