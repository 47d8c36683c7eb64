"""The revision of a hub model: looked up once, written into the plan, and the same everywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from test_resolving import _no_cache, hub  # noqa: F401 (fixtures)

from tuiftune import assets
from tuiftune.jobs.prepare import prepare
from tuiftune.models.pinned import pinned
from tuiftune.models.resolve import resolve
from tuiftune.preset import file
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.findings import Findings

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "1" * 40, "2" * 40


def snapshot(root: Path, commit: str, name: str = "someone/tiny") -> Path:
    """The built-in model as somebody's on the hub; main is the latest that was made."""
    repository = root / ("models--" + name.replace("/", "--"))
    place = repository / "snapshots" / commit
    place.mkdir(parents=True)
    for part in assets.BASE.iterdir():
        (place / part.name).write_bytes(part.read_bytes())
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    return place


def test_a_cached_model_is_the_commit_that_it_is(tmp_path: Path) -> None:
    snapshot(tmp_path / "hub-cache", FIRST)
    model = pinned(resolve("someone/tiny"))
    assert model.revision == FIRST
    assert pinned(model) is model
    assert pinned(resolve("builtin:tiny")).revision is None
    assert pinned(resolve(str(assets.BASE))).revision is None


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("name", "revision", "commit"),
    [
        ("good/model", None, "b" * 40),
        ("good/model", "v1", "a" * 40),
        ("stored/model", None, "b" * 40),
        ("none/model", "v1", "v1"),
    ],
)
def test_one_that_is_not_here_is_asked_for(name: str, revision: str | None, commit: str) -> None:
    model = replace(resolve("Qwen/Qwen3-8B", revision), reference=name)
    assert pinned(model).revision == commit


def test_without_the_hub_nothing_is_made_up() -> None:
    assert pinned(resolve("Qwen/Qwen3-8B")).revision is None


def test_what_was_planned_is_trained_after_main_has_moved(tmp_path: Path) -> None:
    from tuiftune.engine.model import base
    from tuiftune.engine.training import settings

    first = snapshot(tmp_path / "hub-cache", FIRST)
    rows = [{"prompt": f"what is {n}", "completion": f"{n}"} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = f"model: {{base: someone/tiny}}\ndata: {{train: '{tmp_path / 'rows.jsonl'}', max_length: 64}}\n"
    run = prepare(file.loads(text, "mine.yaml"), tmp_path / "runs", "pinned")
    plan = run.plan().document
    assert plan["resolved"]["model"]["revision"] == plan["model"]["revision"] == FIRST
    second = snapshot(tmp_path / "hub-cache", SECOND)
    assert resolve("someone/tiny").path == second
    assert base.find(settings.read(run)).source == str(first)


def test_the_app_looks_at_the_revision_that_is_trained(tmp_path: Path) -> None:
    first = snapshot(tmp_path / "hub-cache", FIRST)
    second = snapshot(tmp_path / "hub-cache", SECOND)
    findings = Findings()
    draft = Draft(model="someone/tiny")
    assert findings.model_of(draft).path == second
    chosen = draft.with_(overrides={"model.revision": FIRST})
    assert findings.model_of(chosen).path == first == resolve("someone/tiny", FIRST).path
