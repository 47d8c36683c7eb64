"""Runs as jobs of a real Slurm: queued, followed, stopped, over two nodes, past a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from cluster import Cluster, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
PRESET = """\
name: tone
model: {base: 'builtin:tiny'}
data: {train: 'builtin:tickets'}
training: {max_steps: STEPS}
evaluation: {score: none, samples: 0}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    yield made
    made.close()


class Desk:
    """A login node's shell."""

    def __init__(self, place: Path, cluster: Cluster) -> None:
        self.place, self.cluster = place, cluster
        self.environment = {
            **os.environ,
            **cluster.environment,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "XDG_STATE_HOME": str(place / "state"),
        }

    def __call__(self, *words: str, code: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "tuiftune", *words],
            cwd=self.place,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    def preset(self, steps: int = 8, more: str = "") -> str:
        (self.place / "p.yaml").write_text(PRESET.replace("STEPS", str(steps)) + more)
        return "p.yaml"

    def events(self, kind: str, name: str = "tone") -> list[dict[str, Any]]:
        file = self.place / "runs" / name / "events.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [event for line in lines if (event := json.loads(line))["type"] == kind]

    def wait(self, condition: Callable[[], object], seconds: float = 240) -> None:
        until = time.monotonic() + seconds
        while not condition():
            logs = [self.place / "runs/tone" / one for one in ("engine.log", "control/slurm.log")]
            told = "\n".join(log.read_text()[-3000:] for log in logs if log.exists())
            queue = self.cluster.ask("squeue", "-t", "all")
            assert time.monotonic() < until, f"not within {seconds} s\n{queue}\n{told}"
            time.sleep(0.3)

    def status(self) -> dict[str, Any]:
        document = json.loads(self("status", "tone", "--json", code=None).stdout)
        assert isinstance(document, dict)
        return document


@pytest.fixture
def desk(tmp_path: Path, cluster: Cluster) -> Iterator[Desk]:
    yield Desk(tmp_path, cluster)
    cluster.ask("scancel", "--user", "root", "--signal", "KILL", "--full")
    cluster.ask("scancel", "--user", "root")


def test_a_run_is_submitted_and_followed_to_its_end(desk: Desk) -> None:
    done = desk("train", desk.preset(), "--on", "slurm")
    assert "Better than the base model" in done.stderr
    assert desk.events("end")[-1]["state"] == "done"
    assert (desk.place / "runs/tone/result/model").is_dir()
    assert "#SBATCH --requeue" in (desk.place / "runs/tone/control/slurm.sh").read_text()
    assert desk("train", desk.preset(), "--name", "here").returncode == 0
    losses = [[event["loss"] for event in desk.events("step", name)] for name in ("tone", "here")]
    assert losses[0] == losses[1], "a job computes what the same run computes here"


def test_a_task_file_of_the_plan_is_a_job(desk: Desk) -> None:
    desk("plan", desk.preset(), "--as", "slurm", "-o", "task")
    done = subprocess.run(
        ["sbatch", "--parsable", "job.sh"],
        cwd=desk.place / "task",
        env=desk.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().isdigit()
    result = desk.place / "task/runs/tone/result/result.json"
    desk.wait(result.exists)
    assert json.loads(result.read_text())["steps"] == 8


def test_two_nodes_train_one_run(desk: Desk) -> None:
    preset = desk.preset(more="hardware: {processes: 2}\n")
    desk("train", preset, "--on", "slurm:debug", "--nodes", "2")
    script = (desk.place / "runs/tone/control/slurm.sh").read_text()
    assert "#SBATCH --nodes=2\n#SBATCH --ntasks-per-node=1\n" in script
    assert [start["processes"] for start in desk.events("start")] == [2]
    assert desk.events("end")[-1]["state"] == "done"


def test_one_that_waits_is_queued_and_taken_out(desk: Desk) -> None:
    desk.cluster.ask("scontrol", "update", "partition=debug", "state=down")
    try:
        desk("train", desk.preset(), "--on", "slurm", "--detach")
        seen = desk.status()
        assert seen["state"] == "queued"
        assert "of Slurm" in seen["why"]
        assert "queued" in desk("runs").stdout
        assert "taken out of the queue" in desk("stop", "tone").stderr
        assert desk.status()["state"] == "new"
        assert desk.cluster.ask("squeue", "-h", "-t", "pending,running").strip() == ""
    finally:
        desk.cluster.ask("scontrol", "update", "partition=debug", "state=up")


def test_it_is_stopped_with_a_checkpoint_and_resumed_as_a_job(desk: Desk) -> None:
    desk("train", desk.preset(4000), "--on", "slurm", "--detach")
    desk.wait(lambda: len(desk.events("step")) > 3)
    assert "already" in desk("resume", "tone", "--detach", code=2).stderr
    desk("stop", "tone", "--wait")
    assert desk.events("end")[-1]["state"] == "stopped"
    stopped = desk.events("step")[-1]["step"]
    desk.wait(lambda: not desk.cluster.ask("squeue", "-h", "-t", "pending,running,completing").strip())
    desk("resume", "tone", "--detach")
    desk.wait(lambda: desk.events("step")[-1]["step"] > stopped + 3)
    assert desk.events("start")[-1]["resumed_from"] == stopped
    desk("stop", "tone", "--kill")
    assert desk.status()["state"] == "killed"
    assert "tuiftune stop --kill" in desk.events("end")[-1]["why"]
    assert not desk.cluster.ask("squeue", "-h", "-t", "pending,running,completing").strip()


def test_a_time_limit_ends_in_a_checkpoint_and_a_requeue_that_continues(desk: Desk) -> None:
    desk("train", desk.preset(100000), "--on", "slurm", "--detach", SBATCH_TIMELIMIT="3")
    desk.wait(lambda: any(end["state"] == "preempted" for end in desk.events("end")), 300)
    stopped = desk.events("end")[-1]
    step = desk.events("step")[-1]["step"]
    desk.wait(lambda: len(desk.events("start")) > 1, 300)
    assert desk.events("start")[-1]["resumed_from"] == step, stopped
    desk("stop", "tone", "--wait")


def test_a_more_important_job_ends_it_with_a_checkpoint_and_it_continues_after_that(desk: Desk) -> None:
    desk("train", desk.preset(100000), "--on", "slurm", "--detach")
    desk.wait(lambda: len(desk.events("step")) > 20)
    desk.cluster.ask(
        "sbatch", "-p", "urgent", "-N", "2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 5"
    )
    desk.wait(lambda: any(end["state"] == "preempted" for end in desk.events("end")), 120)
    step = desk.events("step")[-1]["step"]
    desk.wait(lambda: desk.status()["state"] == "queued", 30)
    desk.wait(lambda: len(desk.events("start")) > 1, 300)
    assert desk.events("start")[-1]["resumed_from"] == step
    desk("stop", "tone", "--wait")


def test_one_that_somebody_canceled_is_not_requeued(desk: Desk) -> None:
    desk("train", desk.preset(100000), "--on", "slurm", "--detach")
    desk.wait(lambda: len(desk.events("step")) > 5)
    desk.cluster.ask("scancel", "--user", "root")
    desk.wait(lambda: any(end["state"] == "preempted" for end in desk.events("end")), 120)
    desk.wait(lambda: not desk.cluster.ask("squeue", "-h", "-t", "pending,running,completing").strip(), 120)
    assert desk.status()["state"] == "preempted"
    assert len(desk.events("start")) == 1


def test_what_slurm_refuses_is_one_line(desk: Desk) -> None:
    for words, said in (
        (("--on", "slurm:gpu"), "--on: the cluster has no partition gpu. Use one of: debug"),
        (("--on", "slurm", "--gpu", "H100"), "--gpu: the default partition has no GPUs"),
        (("--on", "moon"), "--on: moon is not a place to train. Use slurm[:PARTITION], ssh:USER@HOST or sky"),
        (("--nodes", "2"), "--nodes: is of use with --on only"),
    ):
        told = desk("train", desk.preset(), *words, code=2).stderr
        assert said in told
        assert not (desk.place / "runs/tone").exists()
    told = desk("train", desk.preset(), "--on", "slurm", code=2, SLURM_CONF="/nowhere").stderr
    assert told.count("\n") <= 3
    assert "Traceback" not in told
    desk.cluster.ask("scontrol", "update", "partition=debug", "state=inactive")
    try:
        told = desk("train", desk.preset(), "--on", "slurm", code=2).stderr
    finally:
        desk.cluster.ask("scontrol", "update", "partition=debug", "state=up")
    assert "Slurm: sbatch: error:" in told
    assert not (desk.place / "runs/tone").exists(), "nothing is left of a job that was refused"
