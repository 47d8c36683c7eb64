"""Engines as processes: started apart from us, found alive or dead by identity, asked to stop, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from runs_kit import ENGINE
from waiting import wait_until

from tuiftune.errors import UserError
from tuiftune.jobs.backends import local
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.state import postmortem
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.state.liveness import status, vitals
from tuiftune.runs.store import control
from tuiftune.runs.store.process import Identity, identify, start_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.store.directory import RunDir

    NewRun = Callable[..., RunDir]
    Start = Callable[[RunDir, str], int]


def test_a_run_from_launch_to_end(new_run: NewRun, start: Start) -> None:
    run = new_run()
    assert status(run) == "new"
    start(run, "quick")
    wait_until(lambda: status(run) == "done")
    assert vitals(run).exit_code == 0
    assert run.log_path.read_text() == "engine at work\n"


def test_the_engine_leads_its_own_session_and_reads_from_nothing(new_run: NewRun, start: Start) -> None:
    run = new_run()
    pid = start(run, "steady")
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in (1, 2)} == {str(run.log_path)}


def test_who_asks_is_known_though_the_request_comes_while_it_is_looked_for(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, read = new_run(), control.documents.read_json

    def just_before(*given: Any) -> Any:
        try:
            return read(*given)
        finally:
            if not control._stop(run).exists():
                control.request_stop(run, "the test")

    monkeypatch.setattr(control.documents, "read_json", just_before)
    assert control.stop_requested(run) == "the test"


def test_a_stop_by_file_ends_it_in_order(new_run: NewRun, start: Start) -> None:
    run = new_run()
    start(run, "steady")
    wait_until(lambda: run.events_path.exists())
    control.request_stop(run, "the test")
    wait_until(lambda: status(run) != "running")
    seen = vitals(run)
    assert (seen.state, seen.exit_code, seen.why) == ("stopped", 4, "the test")
    assert seen.resumable


def test_a_relaunch_forgets_the_stop_and_the_end_of_its_predecessor(new_run: NewRun, start: Start) -> None:
    run = new_run()
    start(run, "steady")
    control.request_stop(run, "the test")
    wait_until(lambda: status(run) == "stopped")
    start(run, "steady")
    assert status(run) == "running"
    assert control.stop_requested(run) is None
    wait_until(lambda: any(event["type"] == "start" for event in EventReader(run.events_path).poll()[3:]))
    assert status(run) == "running"


def test_a_run_cannot_be_launched_twice_at_once(new_run: NewRun, start: Start) -> None:
    run = new_run()
    start(run, "steady")
    with pytest.raises(UserError, match="is already running"):
        start(run, "steady")


def test_a_killed_engine_is_dead_and_says_so(new_run: NewRun, start: Start) -> None:
    run = new_run()
    pid = start(run, "steady")
    wait_until(lambda: run.events_path.exists())
    assert control.kill(run)
    wait_until(lambda: status(run) == "died")
    assert "RAM" in postmortem.cause(run, local.returned(pid))
    assert not control.kill(run)


def test_a_crash_is_named_by_its_last_words(new_run: NewRun, start: Start) -> None:
    run = new_run()
    start(run, "crash")
    wait_until(lambda: status(run) == "died")
    assert postmortem.cause(run) == "RuntimeError: the cable was pulled"


def test_an_engine_that_ends_before_a_word_died(new_run: NewRun, start: Start) -> None:
    run = new_run()
    start(run, "silent")
    wait_until(lambda: status(run) == "died")
    assert postmortem.cause(run) == "engine.log does not contain a message"


def test_a_command_that_does_not_exist_is_the_users_to_know(new_run: NewRun) -> None:
    with pytest.raises(UserError, match="cannot be started"):
        local.launch(new_run(), ["/does/not/exist"])


@pytest.mark.parametrize(
    "change", [{"start": 1.0}, {"boot": "another boot"}], ids=["reused pid", "other boot"]
)
def test_a_stale_process_id_is_never_trusted(new_run: NewRun, change: dict[str, object]) -> None:
    run = new_run()
    mine = identify(os.getpid())
    assert mine is not None
    run.pid_path.write_text(replace(mine, **change).dump())
    EventWriter(run.events_path).emit("heartbeat", step=1, phase="training")
    assert status(run) == "died"
    assert not control.kill(run)  # had it trusted the number, this test would have ended here


def test_a_run_on_another_host_is_judged_by_its_heartbeat(new_run: NewRun) -> None:
    run = new_run()
    run.pid_path.write_text(Identity(1, 5.0, "its boot", "elsewhere").dump())
    EventWriter(run.events_path).emit("heartbeat", step=1, phase="training")
    assert vitals(run).why == "on elsewhere, by its heartbeat"
    assert status(run) == "running"
    old = json.loads(run.events_path.read_text())
    run.events_path.write_text(json.dumps({**old, "t": time.time() - 3600}) + "\n")
    assert status(run) == "died"


@pytest.mark.parametrize("text", ["", "123", "null", "{}", '{"pid": "x"}', "\0\0"])
def test_a_damaged_pid_file_is_no_identity(new_run: NewRun, text: str) -> None:
    run = new_run()
    run.pid_path.write_text(text)
    assert Identity.load(run.pid_path) is None
    assert status(run) == "new"


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    wait_until(lambda: start_time(child.pid) is None)
    child.wait()


def test_the_engine_survives_the_death_of_whoever_started_it(new_run: NewRun) -> None:
    run = new_run()
    code = (
        "import sys, time; from pathlib import Path; from tuiftune.jobs.backends import local; "
        "from tuiftune.runs.store.directory import RunDir; run = RunDir.open(Path(sys.argv[1])); "
        "local.launch(run, [sys.executable, *sys.argv[2:]]); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path), str(ENGINE), str(run.path), "steady"],
        start_new_session=True,
    )
    wait_until(lambda: run.events_path.exists())
    os.killpg(starter.pid, signal.SIGHUP)  # what the kernel does to a terminal's session when it hangs up
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    first, second = Follower(run), Follower(run)
    first.refresh()
    at = first.state.step
    wait_until(lambda: first.refresh() is not None and first.state.step > at)
    second.refresh()
    assert status(run) == "running"
    assert second.state.step >= at
    control.request_stop(run, "another terminal")
    wait_until(lambda: status(run) == "stopped")


def test_a_request_that_cannot_be_written_is_the_users_to_know(new_run: NewRun) -> None:
    run = new_run()
    for path in run.control_path.iterdir():
        path.unlink()
    run.control_path.rmdir()
    run.control_path.write_text("in the way")
    with pytest.raises(UserError, match="cannot stop the run"):
        control.request_stop(run, "the test")
