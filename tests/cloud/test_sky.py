"""Runs on machines that SkyPilot rents: refused here in one line, followed through the bucket, recovered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tuiftune.cli.main import build
from tuiftune.errors import UserError
from tuiftune.jobs import backend, copies
from tuiftune.jobs.cloud import mirror, program, record
from tuiftune.jobs.cloud.mirror import Mirror
from tuiftune.jobs.cloud.record import Record
from tuiftune.runs.state.liveness import vitals
from tuiftune.runs.store import control, elsewhere
from tuiftune.runs.store.directory import RunDir, create
from tuiftune.runs.store.elsewhere import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

STAND_IN = Path(__file__).with_name("stand_in_sky.py")
PRESET = "name: tone\nmodel: {base: 'builtin:tiny'}\ndata: {train: 'builtin:tickets'}\n"
BUCKET = "--set run.sync_to=s3://bucket/runs"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A laptop with a preset, without SkyPilot."""
    (tmp_path / "p.yaml").write_text(PRESET)
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def equip(directory: Path, name: str, script: str) -> None:
    (directory / name).write_text(script)
    (directory / name).chmod(0o755)


def refused(words: str) -> str:
    done = CliRunner().invoke(build(), words.split())
    assert isinstance(done.exception, UserError), done.output
    assert done.exception.exit_code == 2
    line = str(done.exception)
    assert "\n" not in line
    return line


def test_without_skypilot_one_line_says_what_to_install(here: Path) -> None:
    assert refused(f"train p.yaml --on sky:L4 {BUCKET}") == (
        "--on sky: SkyPilot is not installed. Install it: uv tool install 'skypilot[aws]' && sky check; "
        "or write the task's file: tuiftune plan PRESET --as sky."
    )
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (f"--on sky:X9 {BUCKET}", "--gpu: unknown GPU `X9`"),
        ("--on sky:L4", "run.sync_to: a rented machine loses its disk"),
        (f"--on sky:L4 --region east,1 {BUCKET}", "--region: east,1 is not a region"),
        (f"--on sky:L4 --region mars {BUCKET}", "--region: SkyPilot does not know mars"),
        (f"--on sky:L4 --queue {BUCKET}", "--queue: does not go with --on sky"),
        (f"--on sky:L4 --image=-it {BUCKET}", "--image: '-it' is not a container image"),
        (f"--on sky:L4 --name=-x {BUCKET}", "--name: '-x' is not a run name"),
        ("--on ssh:pod --on-demand", "--on-demand: is of use with --on sky only"),
        ("--on ssh:pod --price 0", "--price: 0 is not above 0"),
        ("--on ssh:pod --budget=-1", "--budget: -1 is not above 0"),
        ("--on ssh:pod --budget nan", "--budget: nan is not above 0"),
        ("--on ssh", "--on: ssh is not an address"),
        ("--on moon", "--on: moon is not a place to train"),
        ("--on sky:L4 --set run.sync_to=hf://nobody/runs", "hf://nobody/runs cannot be written to"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    words: str, says: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    equip(here / "bin", "sky", "#!/bin/sh\nexit 9\n")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert says in refused(f"train p.yaml {words}")
    assert not (here / "runs" / "tone").exists()


def test_a_price_that_is_too_old_holds_no_budget(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    equip(here / "bin", "sky", "#!/bin/sh\nexit 9\n")
    table = "gpu,usd_per_hour,source,date,spot\nL4,0.3,mine,2024-01-01,true\n"
    (here / "prices.csv").write_text(table)
    monkeypatch.setenv("TUIFTUNE_PRICES", str(here / "prices.csv"))
    said = refused(f"train p.yaml --on sky:L4 {BUCKET}")
    assert "prices.csv: the price of L4 is" in said
    assert "days old, of 2024-01-01. Write today's price and date." in said


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run here whose job is the one that `sky` tells of: the content of `jobs.json`."""
    run = create(tmp_path / "runs", "tone", PRESET, {"resolved": {"name": "tone"}})
    record.keep(run, Record("tuiftune-tone-1", str(tmp_path / "bucket/tone")))
    (tmp_path / "bucket/tone").mkdir(parents=True)
    elsewhere.keep(run, Elsewhere("tuiftune-tone-1", "starting", time.time()))
    (tmp_path / "bin").mkdir()
    equip(tmp_path / "bin", "sky", f"#!/bin/sh\ncat {tmp_path}/jobs.json\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    jobs(tmp_path, "RUNNING")
    return run


def jobs(place: Path, state: str, why: str = "") -> None:
    others = [{"job_id": 9, "job_name": "another", "status": "FAILED"}]
    mine = [
        {"job_id": 3, "job_name": "tuiftune-tone-1", "status": "CANCELLED"},
        {"job_id": 4, "job_name": "tuiftune-tone-1", "status": state, "failure_reason": why},
    ]
    (place / "jobs.json").write_text(json.dumps(others + mine))


def there(place: Path, *events: dict[str, Any], half: str = "") -> None:
    lines = [
        json.dumps({"v": 1, "seq": at, "t": time.time(), **one}) + "\n" for at, one in enumerate(events, 1)
    ]
    (place / "bucket/tone/events.jsonl").write_text("".join(lines) + half)


STEPS = [{"type": "step", "step": at, "loss": 1.0} for at in range(1, 5)]
END = {"type": "end", "state": "done", "exit_code": 0, "why": ""}


def test_the_log_here_grows_by_whole_lines_and_the_result_comes_before_the_end_counts(
    run: RunDir, tmp_path: Path
) -> None:
    follower = Mirror(run)
    follower.turn()
    assert vitals(run).why == "starting on tuiftune-tone-1"
    there(tmp_path, *STEPS[:2], half='{"v": 1, "ty')
    follower.turn()
    assert len(run.events_path.read_text().splitlines()) == 2
    assert vitals(run).state == "running"
    there(tmp_path, *STEPS, END)
    (tmp_path / "bucket/tone/result/model").mkdir(parents=True)
    (tmp_path / "bucket/tone/result/model/w.bin").write_text("weights")
    follower.turn()
    assert not follower.over, "its machine may still copy what belongs to it"
    assert vitals(run).state == "running", "or its result would be looked for"
    jobs(tmp_path, "SUCCEEDED")
    for _ in range(mirror.ASKS):
        if not follower.over:
            follower.turn()
    assert follower.over
    assert run.events_path.read_bytes() == (tmp_path / "bucket/tone/events.jsonl").read_bytes()
    assert (run.result_path / "model/w.bin").read_text() == "weights"
    assert vitals(run).state == "done"


def test_a_machine_that_began_again_has_another_log(run: RunDir, tmp_path: Path) -> None:
    follower = Mirror(run)
    there(tmp_path, *STEPS)
    follower.turn()
    there(tmp_path, {"type": "phase", "name": "loading"}, STEPS[0])
    follower.turn()
    assert run.events_path.read_bytes() == (tmp_path / "bucket/tone/events.jsonl").read_bytes()


def test_a_job_that_fails_without_a_word_is_told_with_skypilots_reason(run: RunDir, tmp_path: Path) -> None:
    jobs(tmp_path, "FAILED_NO_RESOURCE", "no L4 in any region")
    follower = Mirror(run)
    follower.turn()
    assert follower.over
    seen = vitals(run)
    assert (seen.state, seen.exit_code) == ("died", 1)
    assert seen.why == "job 4 of SkyPilot is failed no resource: no L4 in any region"


def test_a_reason_with_a_token_is_written_without_it(run: RunDir, tmp_path: Path) -> None:
    token = "hf_" + "a" * 34
    jobs(tmp_path, "FAILED", f"401 for {token}")
    Mirror(run).turn()
    assert vitals(run).why == "job 4 of SkyPilot is failed: 401 for [secret]"
    assert not [one for one in run.path.rglob("*") if one.is_file() and token in one.read_text()]


def test_a_bucket_that_does_not_answer_is_trouble_not_an_end(run: RunDir) -> None:
    follower = Mirror(run)
    follower.trouble(OSError("the network is down"))
    seen = vitals(run)
    assert seen.running
    assert seen.line_lost
    assert "the network is down" in seen.why


def test_a_stop_reaches_the_machine_through_the_bucket(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = RunDir(tmp_path / "machine/tone")
    far.path.mkdir(parents=True)
    resolved = {"name": "tone", "run": {"sync_to": str(tmp_path / "bucket")}}
    (far.path / "plan.json").write_text(json.dumps({"resolved": resolved}))
    control.request_stop(run, "tuiftune stop")
    Mirror(run).turn()
    assert control.stop_requested(run) is None, "passed on once"
    monkeypatch.setattr(copies, "HEARS_EVERY", 0.0)
    copying = copies._Copying(far, str(tmp_path / "bucket"), print)
    copying._hear()
    assert control.stop_requested(far) == "tuiftune stop"
    assert not (tmp_path / "bucket/tone" / copies.STOP).exists()


def test_a_job_that_is_not_over_is_not_submitted_twice(run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is job 4 of SkyPilot already"):
        backend.train(run, on="sky")
    (tmp_path / "jobs.json").write_text("The server is down")
    with pytest.raises(UserError, match="gave no list of jobs"):
        program.state("tuiftune-tone-1")


def kill(place: str) -> None:
    """Every process that was started for that directory."""
    import psutil

    for process in psutil.process_iter(["environ", "cmdline"]):
        if place in str(process.info):
            process.kill()


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[None]:
    """Leaves no process behind, whatever fails."""
    yield
    kill(str(tmp_path))


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_run_is_submitted_preempted_recovered_watched_stopped_and_resumed(
    bucket: str, ended: None, tmp_path: Path
) -> None:
    """By a stand-in for SkyPilot, whose machines are directories here; the rest is real."""
    laptop, binaries = tmp_path / "laptop", tmp_path / "bin"
    laptop.mkdir()
    binaries.mkdir()
    (tmp_path / "sky").mkdir()
    (laptop / "p.yaml").write_text(
        f"{PRESET}training: {{max_steps: 60}}\nevaluation: {{score: none, samples: 0}}\n"
        f"run: {{save_every: 5, sync_to: '{bucket}'}}\n"
    )
    equip(binaries, "sky", f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    equip(binaries, "tuiftune", f'#!/bin/sh\nexec {sys.executable} -m tuiftune "$@"\n')
    environment = os.environ | {
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "SKY_PLACE": str(tmp_path / "sky"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "TUIFTUNE_SKY_EVERY": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }

    def tuiftune(*words: str, code: int | None = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tuiftune", *words],
            cwd=laptop,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done.stdout if "--json" in words else done.stdout + done.stderr

    def known() -> dict[str, Any]:
        return json.loads((tmp_path / "sky/jobs.json").read_text())[-1]  # type: ignore[no-any-return]

    def wait_for(text: str, seconds: float = 400) -> None:
        log, until = laptop / "runs/tone/events.jsonl", time.monotonic() + seconds
        while not log.exists() or text not in log.read_text():
            said = Path(known()["machine"], ".log").read_text()[-3000:]
            assert time.monotonic() < until, f"{text} is not in the log; the machine says: {said}"
            time.sleep(1)

    said = tuiftune("train", "p.yaml", "--on", "sky:L4", "--image", "none/used:1", "--detach")
    assert "Submitted to SkyPilot as tuiftune-tone-" in said
    wait_for('"type":"checkpoint"')
    assert json.loads(tuiftune("status", "tone", "--json", code=None))["state"] == "running"
    first = known()
    kill(first["machine"])
    wait_for('"resumed_from":')
    tuiftune("watch", "tone", "--plain")
    assert known()["tries"] == 2
    assert known()["status"] == "SUCCEEDED"
    result = json.loads((laptop / "runs/tone/result/result.json").read_text())
    assert result["steps"] == 60
    assert (laptop / "runs/tone/result/model").is_dir()
    assert json.loads(tuiftune("status", "tone", "--json"))["state"] == "done"

    tuiftune("train", "p.yaml", "--on", "sky:L4", "--image", "none/used:1", "--name", "two", "--detach",
             "--set", "training.max_steps=4000")  # fmt: skip
    log, until = laptop / "runs/two/events.jsonl", time.monotonic() + 400
    while not log.exists() or '"type":"step"' not in log.read_text():
        assert time.monotonic() < until
        time.sleep(1)
    tuiftune("stop", "two", "--no-wait")
    assert "stopped" in tuiftune("watch", "two", "--plain", code=4)
    assert known()["status"] == "FAILED"
    tuiftune("resume", "two", "--detach")
    tuiftune("stop", "two", "--kill")
    assert known()["status"] == "CANCELLED"


@pytest.mark.parametrize(
    "before", ["", "\x1b[33m[sky] a hint\x1b[0m\n", "Tip: [docs] see https://x\n\x1b[2mFetching\x1b[0m\n"]
)
def test_the_list_of_jobs_is_found_after_hints_and_colors(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [{"job_id": 4, "job_name": "mine", "status": "ManagedJobStatus.RUNNING"}]
    (tmp_path / "said").write_text(before + json.dumps(listed))
    equip(tmp_path, "sky", f"#!/bin/sh\ncat {tmp_path}/said\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = program.state("mine")
    assert found is not None
    assert (found.job, found.state) == (4, "RUNNING")


def test_a_job_that_skypilot_forgot_ends_after_a_while(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its controller was torn down. A list without it may also come too early."""
    (tmp_path / "jobs.json").write_text("[]")
    there(tmp_path, *STEPS)
    follower = Mirror(run)
    follower.turn()
    assert not follower.over
    monkeypatch.setattr(mirror, "ENDS_WITHIN", -1.0)
    follower.turn()
    assert follower.over
    seen = vitals(run)
    assert (seen.state, seen.why) == ("died", "SkyPilot no longer knows the job tuiftune-tone-1")
