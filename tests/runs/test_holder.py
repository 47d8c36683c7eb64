"""`stop --kill` ends whoever holds the run's lock, and nobody else."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuiftune.errors import ExitCode, UserError
from tuiftune.runs.log.writer import EventWriter
from tuiftune.runs.state.liveness import SILENT_AFTER, vitals
from tuiftune.runs.store import control
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.store.holder import LOCK
from tuiftune.runs.store.process import identify

NewRun = Callable[..., RunDir]
HOLD = (
    "import fcntl, subprocess, sys, time; file = open(sys.argv[1], 'w'); "
    "fcntl.flock(file, fcntl.LOCK_EX); child = subprocess.Popen(['sleep', '60']); "
    "print(child.pid, flush=True); time.sleep(60)"
)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def named(run: RunDir, pid: int) -> None:
    """engine.pid names a process that lives, with its own start and boot: forged, or copied with the run."""
    found = identify(pid)
    assert found is not None
    run.pid_path.write_text(found.dump())
    EventWriter(run.events_path).emit("heartbeat", step=1, phase="training")


def start(words: list[str], processes: list[subprocess.Popen[str]], **options: bool) -> subprocess.Popen[str]:
    processes.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **options))  # type: ignore[call-overload]
    return processes[-1]


def holder(run: RunDir, processes: list[subprocess.Popen[str]], **options: bool) -> tuple[int, int]:
    run.control_path.mkdir(exist_ok=True)
    process = start([sys.executable, "-c", HOLD, str(run.control_path / LOCK)], processes, **options)
    assert process.stdout is not None
    return process.pid, int(process.stdout.readline())


def alive(pid: int) -> bool:
    found = identify(pid)
    return found is not None and found.alive


@pytest.mark.parametrize("what", ["sleep", "session", "other run", "reads the lock", "named like an engine"])
def test_a_stranger_is_left_alone(new_run: NewRun, processes: list[subprocess.Popen[str]], what: str) -> None:
    run, other = new_run(), new_run("other")
    if what == "other run":
        pid, _ = holder(other, processes, start_new_session=True)
    elif what == "reads the lock":
        run.control_path.mkdir(exist_ok=True)
        (run.control_path / LOCK).touch()
        pid = start(["tail", "-f", str(run.control_path / LOCK)], processes).pid
    elif what == "named like an engine":
        words = [
            sys.executable,
            "-c",
            "import time; time.sleep(60)",
            "tuiftune.engine",
            "train",
            str(run.path),
        ]
        pid = start(words, processes, start_new_session=True).pid
    else:
        pid = start(["sleep", "60"], processes, start_new_session=what == "session").pid
    named(run, pid)
    with pytest.raises(UserError, match="is not the training process of this run") as caught:
        control.kill(run)
    assert caught.value.exit_code == ExitCode.USAGE
    assert alive(pid)


@pytest.mark.skipif(not Path("/proc/1/stat").exists() or os.getpid() == 1, reason="needs the first process")
def test_the_first_process_and_our_own_are_left_alone(new_run: NewRun) -> None:
    for number, pid in enumerate((1, os.getpid())):
        run = new_run(f"run-{number}")
        named(run, pid)
        with pytest.raises(UserError, match="is not the training process of this run"):
            control.kill(run)


@pytest.mark.parametrize("session", [True, False])
def test_the_holder_is_ended_with_its_workers_only_in_its_own_session(
    new_run: NewRun, processes: list[subprocess.Popen[str]], session: bool
) -> None:
    run = new_run()
    pid, worker = holder(run, processes, start_new_session=session)
    named(run, pid)
    assert control.kill(run)
    assert not alive(pid)
    until = time.monotonic() + 5
    while session and alive(worker) and time.monotonic() < until:
        time.sleep(0.02)
    assert alive(worker) is not session
    if not session:
        os.kill(worker, signal.SIGKILL)
    assert not control.kill(run)


def test_a_forged_name_of_a_process_is_no_sign_of_life(
    new_run: NewRun, processes: list[subprocess.Popen[str]]
) -> None:
    """It is believed while it may just be starting, and while the log goes on."""
    run = new_run()
    named(run, os.getpid())
    assert vitals(run).running
    run.events_path.write_text(
        json.dumps({"t": time.time() - 2 * SILENT_AFTER, "type": "heartbeat", "step": 1, "phase": "training"})
        + "\n"
    )
    assert vitals(run).state == "died"
    assert str(os.getpid()) in vitals(run).why
    run.events_path.unlink()
    assert vitals(run).running
    os.utime(run.pid_path, (0, time.time() - 2 * SILENT_AFTER))
    assert vitals(run).state == "died"
    holds, _ = holder(run, processes)
    named(run, holds)
    run.events_path.unlink()
    os.utime(run.pid_path, (0, time.time() - 2 * SILENT_AFTER))
    assert vitals(run).running, "it holds the lock"


def test_the_silence_between_two_processes_is_not_that_of_the_second(
    new_run: NewRun, processes: list[subprocess.Popen[str]]
) -> None:
    """A resumed run was said to be stuck until its libraries were imported."""
    run = new_run()
    pid, _ = holder(run, processes)
    named(run, pid)
    event = {"t": time.time() - 2 * SILENT_AFTER, "type": "heartbeat", "step": 1, "phase": "training"}
    run.events_path.write_text(json.dumps(event) + "\n")
    assert vitals(run).running
    assert not vitals(run).silent
    os.utime(run.pid_path, (0, time.time() - 2 * SILENT_AFTER))
    assert vitals(run).silent
