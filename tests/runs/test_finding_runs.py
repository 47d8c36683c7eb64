"""The register and the finding of runs: from any directory, by many processes, with runs that went away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tuiftune.errors import UserError
from tuiftune.runs.log.writer import serialize
from tuiftune.runs.store.find import all_runs, find
from tuiftune.runs.store.process import identify
from tuiftune.runs.store.registry import known, register, registry_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

    NewRun = Callable[..., RunDir]


def test_registered_runs_are_known_latest_first(new_run: NewRun) -> None:
    one, two = new_run("one"), new_run("two")
    assert register(one)
    assert register(two)
    assert register(one)
    assert [run.name for run in known()] == ["one", "two"]


def test_a_removed_run_is_forgotten(new_run: NewRun) -> None:
    one, two = new_run("one"), new_run("two")
    register(one)
    register(two)
    shutil.rmtree(one.path)
    assert [run.name for run in known()] == ["two"]
    assert len(registry_path().read_text().splitlines()) == 1


def test_a_run_on_a_disk_that_is_away_is_kept_in_mind(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run("away", under=tmp_path / "disk")
    register(run)
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    assert known() == []
    (tmp_path / "unmounted").rename(tmp_path / "disk")
    assert [run.name for run in known()] == ["away"]


def test_a_damaged_register_gives_what_it_still_holds(new_run: NewRun) -> None:
    run = new_run("one")
    register(run)
    good = registry_path().read_text()
    registry_path().write_bytes(b'\xff\xfe\n{"x": 1}\n"relative"\n"/a\\u0000b"\n' + good.encode() + b'"/torn')
    assert [run.name for run in known()] == ["one"]


def test_a_home_that_cannot_be_written_to_does_not_hinder(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    assert not register(new_run("one"))
    assert known() == []


def test_processes_that_register_at_once_lose_nothing(tmp_path: Path, new_run: NewRun) -> None:
    code = (
        "import sys; from pathlib import Path; from tuiftune.runs.store.directory import create; "
        "from tuiftune.runs.store.registry import register\n"
        "for number in range(10): register(create(Path(sys.argv[1]), sys.argv[2] + str(number), '', {}))"
    )
    jobs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "many"), letter]) for letter in "abc"
    ]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    assert len(known()) == 30


def test_a_run_is_found_by_name_path_and_register(new_run: NewRun, root: Path, tmp_path: Path) -> None:
    here, there = new_run("here"), new_run("there", under=tmp_path / "elsewhere")
    register(there)
    assert find("here", root) == here
    assert find(str(here.path), tmp_path) == here
    assert find("there") == there
    with pytest.raises(UserError, match="run not found in the directory of --runs"):
        find("there", root)  # never another directory's run where one was named
    assert {run.name for run in all_runs(root)} == {"here", "there"}


def test_a_name_nearly_right_is_suggested(new_run: NewRun, root: Path) -> None:
    new_run("support-tone")
    with pytest.raises(UserError, match="Did you mean support-tone"):
        find("suport-tone", root)
    with pytest.raises(UserError, match="run not found"):
        find("\x1b[2J", root)
    with pytest.raises(UserError, match="is not a run directory"):
        find("../../etc", root)


def test_two_of_one_name_elsewhere_ask_for_a_path(new_run: NewRun, root: Path, tmp_path: Path) -> None:
    for place in ("a", "b"):
        register(new_run("twin", under=tmp_path / place))
    with pytest.raises(UserError, match=r"2 runs of this name.*path"):
        find("twin")


def test_without_a_name_the_running_one_is_meant(new_run: NewRun, root: Path) -> None:
    with pytest.raises(UserError, match="no runs yet"):
        find(None, root)
    running, later = new_run("running"), new_run("later")
    mine = identify(os.getpid())
    assert mine is not None
    running.pid_path.write_text(mine.dump())
    later.events_path.write_bytes(serialize({"v": 1, "seq": 1, "t": 1.0, "type": "heartbeat"}))
    assert find(None, root) == running
    running.pid_path.write_text(json.dumps({}))
    assert find(None, root) == later
