"""Copies and trackers that fail are told where the run is watched: nobody reads their logs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tuiftune.runs.store.companions import Watched, troubles
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from pathlib import Path


def note(path: Path, **values: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values))


def test_each_that_fails_is_told_once_and_that_it_is_over(tmp_path: Path) -> None:
    run, copy = RunDir(tmp_path), tmp_path / "copy" / "sync.json"
    watched = Watched(run)
    assert watched.look() == []
    note(copy, url="s3://bucket/runs/tone", trouble="Access Denied\x1b[2J")
    note(tmp_path / "trackers" / "wandb.json", id="a", trouble="")
    (line,) = watched.look()
    assert line.startswith(
        "copying to s3://bucket/runs/tone fails: Access Denied\\x1b[2J. Training continues"
    )
    assert watched.look() == []
    note(tmp_path / "trackers" / "wandb.json", id="a", trouble="401")
    assert [one.partition(".")[0] for one in watched.look()] == ["sending to wandb fails: 401"]
    note(copy, url="s3://bucket/runs/tone", trouble="")
    assert watched.look() == []
    note(tmp_path / "trackers" / "wandb.json", id="a", trouble="")
    assert watched.look() == ["Copies and trackers work again."]


def test_a_damaged_note_is_none(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    for text in ("{", "[1]", '{"trouble": ""}', "\x00"):
        (tmp_path / "copy/sync.json").write_text(text)
        assert troubles(RunDir(tmp_path)) == []
    assert troubles(RunDir(tmp_path / "gone")) == []
