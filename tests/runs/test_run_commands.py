"""watch, runs, stop, logs, report, and following a run in a terminal: as a person starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest
from runs_kit import ENGINE
from waiting import wait_until

from tuiftune.runs.state.liveness import status
from tuiftune.runs.store import control, diverged
from tuiftune.runs.store.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

    NewRun = Callable[..., RunDir]
    Start = Callable[[RunDir, str], int]

# What `tuiftune train` does once the run is prepared, with the stand-in for the engine.
FOLLOW = """
import sys
from pathlib import Path
from tuiftune.cli.stop_signal import Asked
from tuiftune.cli.follow import Following, interactive
from tuiftune.jobs.backends import local
from tuiftune.runs.store.directory import RunDir
from tuiftune.runs.state.follow import Follower

run = RunDir.open(Path(sys.argv[1]))
pid = local.launch(run, [sys.executable, sys.argv[2], sys.argv[1], sys.argv[3]])
sys.exit(Following(run, Follower(run), pid, Asked(interactive=interactive())).to_end())
"""


def tuiftune(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ENGINE.parents[2]), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def follow(run: RunDir, mode: str) -> list[str]:
    return ["-c", FOLLOW, str(run.path), str(ENGINE), mode]


def test_runs_lists_what_there_is_from_any_directory(new_run: NewRun, start: Start, tmp_path: Path) -> None:
    done, other = new_run("done-one"), new_run("never-started")
    for run in (done, other):
        register(run)
    start(done, "quick")
    wait_until(lambda: status(done) == "done")
    listed = tuiftune("runs", "--json", cwd=tmp_path)
    document = {entry["name"]: entry for entry in json.loads(listed.stdout)["runs"]}
    assert document["done-one"]["state"] == "done"
    assert document["done-one"]["progress"] == 1.0
    assert document["done-one"]["before"]["loss"] == 3.0
    assert document["done-one"]["after"]["loss"] == 1.0
    assert document["never-started"]["state"] == "new"
    lines = tuiftune("runs", cwd=tmp_path).stdout.splitlines()
    assert len(lines) == 2
    assert any("done-one" in line and "100%" in line for line in lines)


def test_no_runs_is_an_ordinary_answer(tmp_path: Path) -> None:
    answer = tuiftune("runs", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert json.loads(tuiftune("runs", "--json", cwd=tmp_path).stdout)["runs"] == []


@pytest.mark.parametrize("command", ["watch", "stop", "logs", "report", "resume"])
def test_a_run_that_is_not_there_is_one_line_and_code_2(command: str, tmp_path: Path) -> None:
    answer = tuiftune(command, "nosuch", cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert "nosuch" in answer.stderr


def test_watch_tells_a_run_in_plain_lines(new_run: NewRun, start: Start, root: Path, tmp_path: Path) -> None:
    run = new_run()
    start(run, "quick")
    (run.path / "copy").mkdir()
    (run.path / "copy/sync.json").write_text('{"url": "s3://b/r", "trouble": "Access Denied"}')
    answer = tuiftune("watch", "try", "--runs", str(root), cwd=tmp_path)
    assert answer.returncode == 0
    assert "started: fake, lora on cpu, 20 steps" in answer.stdout
    assert "step 20 of 20 (100%), loss 0.15" in answer.stdout
    assert answer.stdout.splitlines()[-1].endswith("done")
    assert "\x1b" not in answer.stdout
    assert "try: copying to s3://b/r fails: Access Denied. Training continues" in answer.stderr
    assert "warning: copying to s3://b/r fails" in tuiftune("status", "try", cwd=tmp_path).stderr


def test_watch_json_passes_every_event_on(new_run: NewRun, start: Start, root: Path, tmp_path: Path) -> None:
    run = new_run()
    start(run, "nan")
    answer = tuiftune("watch", "try", "--json", "--runs", str(root), cwd=tmp_path)
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.returncode == 5
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-2]["loss_text"] == "nan"
    assert events[-1]["type"] == "end"


def test_several_watch_and_any_may_stop(new_run: NewRun, start: Start, root: Path, tmp_path: Path) -> None:
    run = new_run()
    start(run, "steady")
    environment = {**os.environ, "PYTHONPATH": str(ENGINE.parents[2])}
    watchers = [
        subprocess.Popen(
            [sys.executable, "-m", "tuiftune", "watch", str(run.path), flag],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for flag in ("--json", "--plain", "--json")
    ]
    answer = tuiftune("stop", "try", "--runs", str(root), cwd=tmp_path)
    assert answer.returncode == 0
    assert "try: stopped. Continue: `tuiftune resume try`" in answer.stderr
    told = [watcher.communicate(timeout=20)[0] for watcher in watchers]
    assert [watcher.returncode for watcher in watchers] == [4, 4, 4]
    assert told[0] == told[2]
    assert "stopped" in told[1]


def test_dashboards_lines_and_json_at_once_and_one_of_them_stops(new_run: NewRun, start: Start) -> None:
    """Two dashboards beside plain lines and JSON; the stop comes from a dashboard, and all tell it."""
    run = new_run()
    start(run, "steady")
    environment = {**os.environ, "PYTHONPATH": str(ENGINE.parents[2])}
    told = [
        subprocess.Popen(
            [sys.executable, "-m", "tuiftune", "watch", str(run.path), flag],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for flag in ("--json", "--plain")
    ]
    dashboards = [
        pexpect.spawn(
            sys.executable,
            ["-m", "tuiftune", "watch", str(run.path)],
            env={**environment, "TERM": "xterm-256color"},
            dimensions=(24, 80),
            encoding="utf-8",
            timeout=60,
        )
        for _ in range(2)
    ]
    for dashboard in dashboards:
        dashboard.expect("training")
    dashboards[0].send("s")
    dashboards[0].expect("Stop try")
    dashboards[0].send("y")
    lines = [one.communicate(timeout=60)[0] for one in told]
    assert [one.returncode for one in told] == [4, 4]
    assert json.loads(lines[0].splitlines()[-1])["why"] == "the dashboard"
    assert "stopped" in lines[1].splitlines()[-1]
    for dashboard in dashboards:
        dashboard.expect("stopped")
        dashboard.close(force=True)


def test_stopping_what_does_not_run_changes_nothing(new_run: NewRun, root: Path, tmp_path: Path) -> None:
    run = new_run()
    answer = tuiftune("stop", "try", "--runs", str(root), cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "try is not running (new)\n")
    assert control.stop_requested(run) is None


def test_logs_show_no_control_characters(new_run: NewRun, root: Path, tmp_path: Path) -> None:
    run = new_run()
    run.log_path.write_bytes(b"one\ntwo \x1b[31mred\x1b]0;title\x07\n\xff\nlast\n")
    shown = tuiftune("logs", "try", "--runs", str(root), cwd=tmp_path).stdout
    assert shown.splitlines()[0] == "one"
    assert "\x1b" not in shown
    assert "\x07" not in shown
    last = tuiftune("logs", "try", "-n", "2", "--runs", str(root), cwd=tmp_path).stdout
    assert last.splitlines() == shown.splitlines()[-2:]


@pytest.mark.parametrize(
    ("held", "said"), [(b"", "is empty"), (b"nanobind: leaked 1 instances!\n", "(--all)")]
)
def test_logs_that_show_nothing_say_so(
    held: bytes, said: str, new_run: NewRun, root: Path, tmp_path: Path
) -> None:
    new_run().log_path.write_bytes(held)
    for more in ([], ["-n", "5"]):
        shown = tuiftune("logs", "try", *more, "--runs", str(root), cwd=tmp_path)
        assert (shown.returncode, shown.stdout) == (0, "")
        assert said in shown.stderr
        assert "`tuiftune report try`" in shown.stderr


def test_report_goes_to_standard_output_or_a_file(
    new_run: NewRun, start: Start, root: Path, tmp_path: Path
) -> None:
    run = new_run()
    start(run, "quick")
    wait_until(lambda: status(run) == "done")
    assert tuiftune("report", "try", "--runs", str(root), cwd=tmp_path).stdout.startswith("# try\n")
    assert tuiftune("report", "try", "-o", "story.md", "--runs", str(root), cwd=tmp_path).returncode == 0
    assert (tmp_path / "story.md").read_text().startswith("# try\n")
    assert (tmp_path / "story-loss.svg").is_file()


@pytest.mark.parametrize(
    ("mode", "code"), [("quick", 0), ("nan", 5), ("diverged", 9), ("crash", 1), ("silent", 1)]
)
def test_the_exit_code_is_the_engines(new_run: NewRun, mode: str, code: int) -> None:
    answer = subprocess.run(
        [sys.executable, *follow(new_run(), mode)], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == code
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    if mode == "crash":
        assert "the training process crashed: RuntimeError: the cable was pulled" in answer.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_a_terminal_a_signal_stops_the_run_in_order(new_run: NewRun, number: signal.Signals) -> None:
    run = new_run()
    follower = subprocess.Popen(
        [sys.executable, *follow(run, "steady")], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert follower.stderr is not None
    told = follower.stderr.readline()
    assert "started" in told
    follower.send_signal(number)
    assert follower.wait(timeout=30) == 4
    assert status(run) == "stopped"
    follower.stderr.close()


def at_terminal(run: RunDir) -> pexpect.spawn[str]:
    terminal = pexpect.spawn(
        sys.executable,
        follow(run, "steady"),
        env={**os.environ, "TERM": "xterm-256color"},
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=30,
    )
    terminal.expect("training")
    return terminal


def test_ctrl_c_offers_to_detach_and_the_run_goes_on(new_run: NewRun) -> None:
    run = new_run()
    terminal = at_terminal(run)
    terminal.sendintr()
    terminal.expect("d, s or c")
    terminal.sendline("d")
    terminal.expect("Detached")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert status(run) == "running"


def test_a_second_ctrl_c_detaches(new_run: NewRun) -> None:
    run = new_run()
    terminal = at_terminal(run)
    terminal.sendintr()
    terminal.expect("d, s or c")
    terminal.sendintr()
    terminal.expect("Detached")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert status(run) == "running"


def test_ctrl_c_can_go_on_watching_and_then_stop(new_run: NewRun) -> None:
    run = new_run()
    terminal = at_terminal(run)
    terminal.sendintr()
    terminal.expect("d, s or c")
    terminal.sendline("c")
    terminal.expect("training")
    terminal.sendintr()
    terminal.expect("d, s or c")
    terminal.sendline("s")
    terminal.expect("checkpoint")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 4
    assert status(run) == "stopped"


def test_the_run_survives_the_death_of_the_terminal(new_run: NewRun) -> None:
    run = new_run()
    terminal = at_terminal(run)
    terminal.close(force=True)  # the pseudo-terminal is gone: its session gets a hang-up
    wait_until(lambda: not terminal.isalive())
    assert status(run) == "running"
    control.request_stop(run, "the test")
    wait_until(lambda: status(run) == "stopped")


def test_a_diverged_run_is_resumed_with_other_settings_only(
    new_run: NewRun, start: Start, root: Path, tmp_path: Path
) -> None:
    run = new_run()
    start(run, "diverged")
    wait_until(lambda: status(run) == "diverged")
    diverged.note(run, diverged.Noted(None, "diverged at a learning rate of 1: try 0.002"))
    refused = tuiftune("resume", "try", "--runs", str(root), cwd=tmp_path)
    assert refused.returncode == 9
    assert "try 0.002" in refused.stderr
    wrong = tuiftune("resume", "try", "--set", "method.rank=4", "--runs", str(root), cwd=tmp_path)
    assert wrong.returncode == 2
    assert "cannot be changed when a run is resumed" in wrong.stderr
    shown = tuiftune("runs", "--json", "--runs", str(root), cwd=tmp_path)
    (listed,) = json.loads(shown.stdout)["runs"]
    assert (listed["state"], listed["exit_code"]) == ("diverged", 9)
