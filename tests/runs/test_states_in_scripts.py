"""What scripts are told of a run: its state as a code, who killed it, an end of every stream of events."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest
from test_run_commands import tuiftune
from waiting import wait_until

from tuiftune.jobs import backend, supervisor
from tuiftune.runs.log.lines import parse_lines
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store import control
from tuiftune.runs.store.registry import register
from tuiftune.schemas import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

    NewRun = Callable[..., RunDir]
    Start = Callable[[RunDir, str], int]


def steps(run: RunDir) -> int:
    if not run.events_path.exists():
        return 0
    return sum(event["type"] == "step" for event in parse_lines(run.events_path.read_bytes()))


def test_status_is_a_code_a_line_and_a_document(new_run: NewRun, start: Start, tmp_path: Path) -> None:
    codes = {"quick": ("done", 0), "nan": ("nan", 5), "diverged": ("diverged", 9), "silent": ("died", 1)}
    for mode, (state, code) in codes.items():
        run = new_run(mode)
        start(run, mode)
        wait_until(lambda run=run: status(run) != "running")
        answer = tuiftune("status", mode, "--json", "--runs", str(run.path.parent), cwd=tmp_path)
        document = json.loads(answer.stdout)
        jsonschema.validate(document, registry.json_schema("status"))
        assert (document["state"], document["exit_code"], answer.returncode) == (state, code, code)
    new = new_run("new")
    answer = tuiftune("status", str(new.path), "--wait", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (10, "new: new, step 0\n")


def test_status_waits_for_the_end_and_no_longer(new_run: NewRun, start: Start, tmp_path: Path) -> None:
    run = new_run()
    start(run, "steady")
    wait_until(lambda: steps(run) > 0)
    assert tuiftune("status", str(run.path), cwd=tmp_path).returncode == 10
    waiting = subprocess.Popen([sys.executable, "-m", "tuiftune", "status", str(run.path), "--wait"])
    backend.stop(run, "the test")
    assert waiting.wait(30) == 4


def test_between_a_kill_and_its_record_nobody_takes_it_for_a_crash(
    new_run: NewRun, start: Start, tmp_path: Path
) -> None:
    run = new_run()
    start(run, "steady")
    wait_until(lambda: steps(run) > 3)
    control.note_kill(run, "tuiftune stop --kill (user me)")
    assert status(run) == "running"
    assert control.kill(run)
    told = tuiftune("watch", str(run.path), "--json", cwd=tmp_path)
    last = json.loads(told.stdout.splitlines()[-1])
    assert (last["type"], last["state"], last["exit_code"]) == ("end", "killed", 4)
    assert last["why"] == "killed by tuiftune stop --kill (user me)"
    assert told.returncode == 4
    control.clear(run)  # as the next launch does
    assert status(run) == "died"


def test_a_killed_run_is_recorded_with_who_did_it(new_run: NewRun, start: Start, tmp_path: Path) -> None:
    run = new_run()
    start(run, "steady")
    wait_until(lambda: steps(run) > 0)
    watching = subprocess.Popen(
        [sys.executable, "-m", "tuiftune", "watch", str(run.path), "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: steps(run) > 3)
    answer = tuiftune("stop", str(run.path), "--kill", "--json", cwd=tmp_path)
    document = json.loads(answer.stdout)
    jsonschema.validate(document, registry.json_schema("stop"))
    assert (answer.returncode, document["state"], document["asked"]) == (0, "killed", "kill")
    assert document["resumable"] is True
    told = watching.communicate(timeout=30)[0].splitlines()
    last = json.loads(told[-1])
    assert (last["type"], last["state"], last["exit_code"]) == ("end", "killed", 4)
    assert last["why"].startswith("killed by tuiftune stop --kill (user ")
    assert watching.returncode == 4
    again = tuiftune("stop", str(run.path), "--kill", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["asked"] is None
    assert [event["type"] for event in parse_lines(run.events_path.read_bytes())].count("end") == 1
    assert "killed" not in supervisor.RESTARTABLE  # who kept it alive doesn't start it again


def test_events_end_with_an_end_even_where_the_process_wrote_none(
    new_run: NewRun, start: Start, tmp_path: Path
) -> None:
    run = new_run()
    start(run, "silent")
    wait_until(lambda: status(run) == "died")
    answer = tuiftune("watch", str(run.path), "--json", cwd=tmp_path)
    last = json.loads(answer.stdout.splitlines()[-1])
    assert (last["type"], last["state"], last["logged"]) == ("end", "died", False)
    assert answer.returncode == last["exit_code"] == 1


def test_runs_of_a_directory_are_of_that_directory_only(new_run: NewRun, tmp_path: Path) -> None:
    here, elsewhere = new_run("here"), new_run("elsewhere", tmp_path / "other")
    for run in (here, elsewhere):
        register(run)
    listed = json.loads(tuiftune("runs", "--json", "--runs", str(tmp_path / "other"), cwd=tmp_path).stdout)
    jsonschema.validate(listed, registry.json_schema("runs"))
    assert [run["name"] for run in listed["runs"]] == ["elsewhere"]
    both = json.loads(tuiftune("runs", "--json", cwd=tmp_path).stdout)
    assert {run["name"] for run in both["runs"]} == {"here", "elsewhere"}
    wrong = tuiftune("stop", "here", "--runs", str(tmp_path / "other"), cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "run not found in the directory of --runs" in wrong.stderr


@pytest.mark.parametrize("command", ["report", "compare"])
def test_documents_of_runs_match_their_schemas(
    command: str, new_run: NewRun, start: Start, tmp_path: Path
) -> None:
    runs = [new_run("one"), new_run("two")]
    for run in runs:
        start(run, "quick")
    wait_until(lambda: all(status(run) == "done" for run in runs))
    named = [str(run.path) for run in runs][: 2 if command == "compare" else 1]
    answer = tuiftune(command, *named, "--json", cwd=tmp_path)
    document = json.loads(answer.stdout)
    jsonschema.validate(document, registry.json_schema(command))
    one = document["runs"][0] if command == "compare" else document
    assert (one["before"]["loss"], one["after"]["loss"]) == (3.0, 1.0)
