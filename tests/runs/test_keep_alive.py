"""--keep-alive: what a restart can mend is started again, three times at most; the rest isn't."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from runs_kit import ENGINE
from waiting import wait_until

from tuiftune.cli.status import standing
from tuiftune.cli.stopping import stop
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import status, vitals
from tuiftune.runs.store import control

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.runs.store.directory import RunDir

    NewRun = Callable[..., RunDir]

# The supervisor as the command runs it, over the stand-in for the engine: one word of MODES an engine.
KEEP = """
import sys
from pathlib import Path
from tuiftune.cli.follow import keep_alive
from tuiftune.jobs.backends import local
from tuiftune.runs.store.directory import RunDir

run, modes, pause = RunDir.open(Path(sys.argv[1])), sys.argv[3].split(","), float(sys.argv[4])

def start():
    mode, _, saved = modes.pop(0).partition("+")
    if saved:
        (run.checkpoints_path / f"checkpoint-{saved}").mkdir()
    return local.launch(run, [sys.executable, sys.argv[2], str(run.path), mode])

sys.exit(keep_alive(run, pauses=(pause,) * 3, start=start))
"""


def keeper(run: RunDir, modes: str, pause: float = 0.05) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", KEEP, str(run.path), str(ENGINE), modes, str(pause)],
        env={**os.environ, "PYTHONPATH": str(ENGINE.parents[2]), "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def restarts(run: RunDir) -> int:
    return sum(event["type"] == "control" and event["what"] == "restart" for event in all_events(run))


def all_events(run: RunDir) -> list[dict[str, object]]:
    reader, found = EventReader(run.events_path), []
    while more := reader.poll():
        found += more
    return found


def test_a_run_that_dies_is_started_again_to_its_end(new_run: NewRun) -> None:
    run = new_run()
    process = keeper(run, "crash,silent,quick")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert status(run) == "done"
    assert restarts(run) == 2
    assert "Restarting in" in said
    numbers = [event["seq"] for event in all_events(run)]
    assert numbers == sorted(set(numbers)), "one log, one story"


@pytest.mark.long
def test_three_restarts_without_a_new_checkpoint_are_enough(new_run: NewRun) -> None:
    run = new_run()
    process = keeper(run, "crash,crash,crash,crash,quick")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert restarts(run) == 3
    assert "Giving up" in said


@pytest.mark.parametrize("then", ["restarted", "stopped"])
def test_between_two_processes_it_has_not_ended(new_run: NewRun, then: str) -> None:
    run = new_run()
    process = keeper(run, "crash,quick", 2.0 if then == "restarted" else 60.0)
    assert process.stderr is not None
    assert any("Restarting in" in line for line in process.stderr)
    assert status(run) == "died"
    told = standing(run)
    assert (told["state"], told["exit_code"], told["why"]) == (
        "running", None, "restarting (--keep-alive) after: died"
    )  # fmt: skip
    waiting = subprocess.Popen([sys.executable, "-m", "tuiftune", "status", str(run.path), "--wait"])
    if then == "stopped":
        assert stop(run, wait=True, kill=False) == 0
    process.communicate(timeout=60)
    assert waiting.wait(30) == process.returncode == (0 if then == "restarted" else 1)
    assert standing(run)["state"] == ("done" if then == "restarted" else "died")
    assert not (run.control_path / "keeper.json").exists()


def test_progress_is_a_new_checkpoint(new_run: NewRun) -> None:
    run = new_run()
    process = keeper(run, "crash,crash,crash,crash+4,crash,crash,quick")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert restarts(run) == 6


@pytest.mark.parametrize(("mode", "code"), [("nan", 5), ("diverged", 9)])
def test_what_no_restart_mends_ends_it(new_run: NewRun, mode: str, code: int) -> None:
    run = new_run()
    process = keeper(run, f"{mode},quick")
    process.communicate(timeout=60)
    assert process.returncode == code
    assert restarts(run) == 0


def test_a_preempted_run_is_started_again_but_a_stopped_one_is_not(new_run: NewRun) -> None:
    run = new_run()
    process = keeper(run, "steady,steady")
    wait_until(lambda: any(event["type"] == "step" for event in all_events(run)))
    first = vitals(run).pid
    assert first is not None
    os.kill(first, signal.SIGTERM)
    wait_until(lambda: restarts(run) == 1 and vitals(run).running)
    wait_until(lambda: all_events(run)[-1]["type"] == "step")
    control.request_stop(run, "the test")
    process.communicate(timeout=60)
    assert process.returncode == 4
    assert status(run) == "stopped"
    assert restarts(run) == 1


@pytest.mark.parametrize("when", ["running", "pausing"])
def test_a_signal_to_the_supervisor_ends_both(new_run: NewRun, when: str) -> None:
    run = new_run()
    process = keeper(run, "steady,steady" if when == "running" else "crash,steady", 30.0)
    if when == "running":
        wait_until(lambda: any(event["type"] == "step" for event in all_events(run)))
    else:
        assert process.stderr is not None
        assert any("Restarting in" in line for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == (4 if when == "running" else 1)
    assert restarts(run) == 0
    assert not vitals(run).running


def test_a_keeper_that_is_killed_leaves_the_run_going_and_another_takes_it_up(new_run: NewRun) -> None:
    """No orphan: the engine is known by its name, seen, stopped, and kept alive by the next keeper."""
    run = new_run()
    first = keeper(run, "steady")
    wait_until(lambda: any(event["type"] == "step" for event in all_events(run)))
    engine = vitals(run).pid
    assert engine is not None
    first.kill()
    first.communicate(timeout=20)
    at = len(all_events(run))
    wait_until(lambda: len(all_events(run)) > at + 2)
    assert vitals(run).pid == engine, "it goes on by itself"
    second = keeper(run, "steady")  # would be started only after this one
    assert second.stderr
    assert "step" in second.stderr.readline()
    os.kill(engine, signal.SIGTERM)
    wait_until(lambda: restarts(run) == 1 and vitals(run).running)
    assert vitals(run).pid != engine
    wait_until(lambda: all_events(run)[-1]["type"] == "step")
    control.request_stop(run, "the test")
    second.communicate(timeout=60)
    assert (second.returncode, status(run)) == (4, "stopped")
