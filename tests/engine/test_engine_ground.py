"""A run whose directory or log is taken away while it works notices, saves where it can, and says so."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import tiny

from tuiftune import paths
from tuiftune.engine.process import ground
from tuiftune.engine.process.ground import Ground
from tuiftune.runs.log.lines import parse_lines
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

ENDLESS: dict[str, Any] = {
    "training__max_steps": 100_000,
    "run__save_every": 50_000,
    "data__eval": 0.0,
    "evaluation__rows": 0,
}
BOUND = {"module": "hindered", "bound_by_permissions": True}


def started(engine: Engine, make_run: Callable[..., Path], fault: dict[str, Any] | None = None) -> Any:
    run = make_run(**ENDLESS)
    job = engine.start("train", run, fault=fault)
    job.wait_for_step(run, 2)
    return run, job


def end_of(run: Path) -> dict[str, Any]:
    return tiny.events(run, "end")[-1]


def resumes(engine: Engine, run: Path) -> bool:
    """Whether it goes on from a checkpoint, and can be stopped."""
    job = engine.start("train", run, "--resume")
    step = max(event["step"] for event in tiny.events(run, "step"))
    job.wait_for_step(run, step + 1)
    (run / "control" / "stop").write_text("{}")
    return job.wait() == 4 and tiny.events(run, "start")[-1]["resumed_from"] == step


def test_a_directory_that_is_moved_is_followed(engine: Engine, make_run: Callable[..., Path]) -> None:
    run, job = started(engine, make_run)
    elsewhere = run.with_name(f"{run.name}-elsewhere")
    run.rename(elsewhere)
    assert job.wait() == 4
    assert not run.exists(), "another directory was left in its place"
    assert end_of(elsewhere)["state"] == "stopped"
    assert str(elsewhere) in end_of(elsewhere)["why"]
    assert len(list((elsewhere / "checkpoints").glob("checkpoint-*"))) == 1
    assert vitals(RunDir(run)).state == "gone"
    assert resumes(engine, elsewhere)


def test_a_directory_that_is_deleted_leaves_nothing(engine: Engine, make_run: Callable[..., Path]) -> None:
    run, job = started(engine, make_run)
    shutil.rmtree(run)
    assert job.wait() == 1
    assert not run.exists(), "the engine made it again"
    seen = vitals(RunDir(run))
    assert (seen.state, seen.exit_code) == ("gone", 1)
    assert "deleted or moved" in seen.why


def test_a_directory_that_is_replaced_is_left_alone(engine: Engine, make_run: Callable[..., Path]) -> None:
    run, job = started(engine, make_run)
    elsewhere = run.with_name(f"{run.name}-elsewhere")
    run.rename(elsewhere)
    run.mkdir()
    (run / "checkpoints").mkdir()
    assert job.wait() == 4
    assert [path.name for path in run.rglob("*")] == ["checkpoints"]
    assert list((elsewhere / "checkpoints").glob("checkpoint-*"))


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_log_that_is_taken_away_is_begun_anew(
    how: str, engine: Engine, make_run: Callable[..., Path]
) -> None:
    run, job = started(engine, make_run)
    log = run / "events.jsonl"
    if how == "deleted":
        log.unlink()
    else:
        log.rename(run / "old.jsonl")
    if how == "replaced":
        log.touch()
    assert job.wait() == 4
    assert "event log" in end_of(run)["why"]
    assert bool(tiny.events(run, "start")) == (how != "replaced")
    assert list((run / "checkpoints").glob("checkpoint-*"))
    assert resumes(engine, run)


def test_a_directory_that_is_made_read_only_ends_the_run(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    run, job = started(engine, make_run, BOUND)
    run.chmod(0o555)
    try:
        assert job.wait() == 4
    finally:
        run.chmod(0o755)
    assert "read-only" in end_of(run)["why"]
    assert list((run / "checkpoints").glob("checkpoint-*")), "the checkpoints could still be written"
    assert resumes(engine, run)


@pytest.mark.long
def test_nothing_can_be_saved_where_all_is_read_only(engine: Engine, make_run: Callable[..., Path]) -> None:
    run, job = started(engine, make_run, BOUND)
    (run / "checkpoints").chmod(0o555)
    try:
        assert job.wait() == 4
    finally:
        (run / "checkpoints").chmod(0o755)
    assert "read-only" in end_of(run)["why"]
    assert "Permission denied" in end_of(run)["why"]
    assert list((run / "checkpoints").iterdir()) == []


def test_a_disk_that_dies_is_waited_for_a_while(
    make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDir(make_run(**ENDLESS))
    place = Ground(run)
    assert place.lost() is None
    real = os.stat

    def dead(path: Any, *rest: Any, **named: Any) -> os.stat_result:
        if str(path).startswith(str(run.path)):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, *rest, **named)

    with monkeypatch.context() as broken:
        broken.setattr(os, "stat", dead)
        broken.setattr(os, "lstat", dead)
        assert place.lost() is None, "a moment's silence is no end"
    assert place.lost() is None
    monkeypatch.setattr(os, "stat", dead)
    monkeypatch.setattr(os, "lstat", dead)
    monkeypatch.setattr(ground, "PATIENCE", 0.0)
    stop = place.lost()
    assert stop is not None
    assert (stop.state, stop.saves) == ("failed", False)
    assert "no longer accessible" in stop.why


def test_a_log_written_anew_holds_what_was_written(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "events.jsonl")
    writer.emit("control", what="one")
    assert not writer.displaced()
    (tmp_path / "events.jsonl").unlink()
    assert writer.displaced()
    writer.begin_anew()
    writer.emit("control", what="two")
    assert not writer.displaced()
    events = parse_lines((tmp_path / "events.jsonl").read_bytes())
    assert [(event["seq"], event["what"]) for event in events] == [(1, "one"), (2, "two")]
    assert paths.size(tmp_path / "events.jsonl") > 0


def test_a_directory_that_is_being_deleted_is_told_from_a_log_that_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDir(tmp_path / "run")
    run.checkpoints_path.mkdir(parents=True)
    place = Ground(run)
    place.log = EventWriter(run.events_path)
    place.log.emit("control", what="one")
    run.events_path.unlink()
    assert place.lost() is None, "its directory may be next"
    shutil.rmtree(run.path)
    stop = place.lost()
    assert stop is not None
    assert (stop.state, stop.saves) == ("failed", False)

    other = RunDir(tmp_path / "other")
    other.checkpoints_path.mkdir(parents=True)
    place = Ground(other)
    place.log = EventWriter(other.events_path)
    place.log.emit("control", what="one")
    other.events_path.unlink()
    assert place.lost() is None
    monkeypatch.setattr(ground, "SETTLING", 0.0)
    stop = place.lost()
    assert stop is not None
    assert stop.state == "stopped"
