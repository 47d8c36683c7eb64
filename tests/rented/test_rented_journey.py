"""Runs on a machine behind a real sshd: trained, followed, dropped, stopped, resumed, killed, left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
from machine_kit import RentedMachine, missing

from tuiftune import assets

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
model: {base: MODEL}
data: {train: rows.jsonl}
training: {max_steps: STEPS, early_stopping: 0}
evaluation: {score: none, samples: 0, every: 20}
run:
  save_every: 10
"""


UV = """\
#!/bin/sh
case $1 in
venv) {uv} venv --quiet --python {python} "$5" && echo {ours} >"$5"/lib/python3.11/site-packages/ours.pth ;;
pip) {uv} pip install --offline --no-deps --python "$4" "$7" ;;
esac
"""


class Desk:
    """A laptop: its own directory, register of runs and connections."""

    def __init__(self, place: Path, machine: RentedMachine, name: str = "desk") -> None:
        self.place, self.machine = place / name, machine
        self.place.mkdir()
        self.environment = {
            **os.environ,
            **machine.environment,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "XDG_STATE_HOME": str(self.place / "state"),
        }
        rows = [
            {"prompt": f"What is {i} plus {i % 7}?", "completion": f"It is {i + i % 7}."} for i in range(120)
        ]
        (self.place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    @property
    def on(self) -> tuple[str, ...]:
        return ("--on", self.machine.on, "--remote-python", sys.executable)

    def __call__(self, *words: str, code: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "tuiftune", *words],
            cwd=self.place,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def preset(self, steps: int = 8, more: str = "", model: str = "'builtin:tiny'") -> str:
        text = PRESET.replace("STEPS", str(steps)).replace("MODEL", model) + more
        (self.place / "p.yaml").write_text(text)
        return "p.yaml"

    def run(self, name: str = "tone") -> Path:
        return self.place / "runs" / name

    def there(self, name: str = "tone") -> Path:
        return self.machine.home / "tuiftune" / "runs" / name

    def events(self, kind: str, name: str = "tone") -> list[dict[str, Any]]:
        file = self.run(name) / "events.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [event for line in lines if (event := json.loads(line))["type"] == kind]

    def same_log(self, name: str = "tone") -> bool:
        return (self.run(name) / "events.jsonl").read_bytes() == (
            self.there(name) / "events.jsonl"
        ).read_bytes()

    def wait(self, condition: Callable[[], object], seconds: float = 240, name: str = "tone") -> None:
        until = time.monotonic() + seconds
        while not condition():
            logs = [
                self.run(name) / one for one in ("engine.log", "control/mirror.log", "control/elsewhere.json")
            ]
            told = "\n".join(log.read_text()[-3000:] for log in logs if log.exists())
            assert time.monotonic() < until, f"not within {seconds} s\n{told}"
            time.sleep(0.3)

    def status(self, name: str = "tone") -> dict[str, Any]:
        document = json.loads(self("status", name, "--json", code=None).stdout)
        assert isinstance(document, dict)
        return document

    def watch(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tuiftune", "watch", name, "--plain"],
            cwd=self.place,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def mirrors(self) -> list[int]:
        """Processes that follow runs of this desk."""
        told = subprocess.run(
            ["pgrep", "-f", f"tuiftune.jobs.rented.mirror {self.place}/"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(word) for word in told.stdout.split()]


@pytest.fixture
def desk(tmp_path: Path, machine: RentedMachine) -> Iterator[Desk]:
    machine.start()
    yield Desk(tmp_path, machine)
    machine.end(str(tmp_path))


def test_a_run_is_trained_there_and_its_result_is_here(desk: Desk) -> None:
    away = desk.place / "away"
    preset = desk.preset(more=f"  sync_to: {away}\n  report_to: [tensorboard]\n")
    done = desk("train", preset, *desk.on, "--price", "2", "--budget", "50")
    assert "no NVIDIA GPU" in done.stderr
    assert "price: $2.00/hour, yours; the run stops at a checkpoint when it has cost $50.00" in done.stderr
    assert "Better than the base model" in done.stderr
    assert "still bills at $2.00/hour until you stop it at its provider." in done.stderr.splitlines()[-1]
    assert desk.same_log()
    assert desk.status()["state"] == "done"
    assert (desk.run() / "result/model/model.safetensors").is_file()
    for file in ("plan.json", "preset.yaml", "result/result.json"):
        assert str(desk.machine.home / "tuiftune/inputs") not in (desk.run() / file).read_text()
    plan = json.loads((desk.run() / "plan.json").read_text())
    assert plan["resolved"]["data"]["train"] == str(desk.place / "rows.jsonl")
    assert "eval loss" in desk("report", "tone").stdout
    assert "done" in desk("runs").stdout
    assert not desk.mirrors()
    assert plan["resolved"]["run"]["sync_to"] == str(away)
    desk.wait(lambda: list(away.glob("tone/result/model/*.safetensors")))
    assert list(away.glob("tone/checkpoints/*/manifest.json"))
    desk.wait(lambda: list((desk.run() / "trackers").rglob("events.out.tfevents*")))
    desk("train", desk.preset(), "--name", "here")
    losses = [[event["loss"] for event in desk.events("step", name)] for name in ("tone", "here")]
    assert losses[0] == losses[1], "the machine computes what the same run computes here"


def test_a_dropped_line_a_stop_a_second_laptop_and_a_resume(desk: Desk, tmp_path: Path) -> None:
    machine = desk.machine
    desk("train", desk.preset(100000), *desk.on, "--name", "drop", "--sync", "--detach")
    desk.wait(lambda: len(desk.events("step", "drop")) > 3, name="drop")
    machine.drop()
    desk.wait(lambda: "cannot be reached" in desk.status("drop")["why"], name="drop")
    assert desk.status("drop")["state"] == "running"
    behind = (desk.run("drop") / "events.jsonl").stat().st_size
    # What a crash of this machine may leave: the process that follows is gone, and a line is cut.
    for pid in desk.mirrors():
        os.kill(pid, signal.SIGKILL)
    os.truncate(desk.run("drop") / "events.jsonl", behind - 7)
    desk.wait(lambda: (desk.there("drop") / "events.jsonl").stat().st_size > behind + 500, name="drop")
    machine.start()
    assert desk.status("drop")["why"].startswith("on 127.0.0.1")
    desk.wait(lambda: (desk.run("drop") / "events.jsonl").stat().st_size > behind, name="drop")
    lines = (desk.run("drop") / "events.jsonl").read_bytes()
    assert (desk.there("drop") / "events.jsonl").read_bytes().startswith(lines)
    seqs = [json.loads(line)["seq"] for line in lines.splitlines()]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    desk.wait(
        lambda: list((desk.run("drop") / "checkpoints").glob("checkpoint-*/manifest.json")), name="drop"
    )

    other = Desk(tmp_path, machine, "other")
    watched = subprocess.Popen(
        [sys.executable, "-m", "tuiftune", "watch", "drop", *other.on, "--json"],
        cwd=other.place, env=other.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    other.wait(lambda: other.events("step", "drop"), name="drop")
    desk("stop", "drop")
    stopped = desk.events("end", "drop")[-1]
    assert stopped["state"] == "stopped"
    assert desk.same_log("drop")
    seen, told = watched.communicate(timeout=120)
    assert (watched.returncode, "Traceback" in told) == (4, False)
    assert [json.loads(line) for line in seen.splitlines()][-1] == stopped
    assert other.same_log("drop")
    step = desk.events("step", "drop")[-1]["step"]
    assert "already" not in desk("resume", "drop", "--detach").stderr
    refused = other("resume", "drop", "--detach", code=2).stderr
    assert "error: drop: the run is already running" in refused
    desk.wait(lambda: desk.events("step", "drop")[-1]["step"] > step + 2, name="drop")
    assert desk.events("start", "drop")[-1]["resumed_from"] == step
    engine = json.loads((desk.there("drop") / "engine.pid").read_text())["pid"]
    os.kill(engine, signal.SIGKILL)
    desk.wait(lambda: desk.status("drop")["state"] == "died", name="drop")
    assert "exited without a message" in desk.status("drop")["why"]
    assert "crashed" in desk("watch", "drop", "--plain", code=1).stderr
    desk("resume", "drop", "--detach", "--set", "training.learning_rate=0.0001")
    plan = json.loads((desk.run("drop") / "plan.json").read_text())
    assert plan["resolved"]["training"]["learning_rate"] == 0.0001
    assert plan["resolved"]["data"]["train"] == str(desk.place / "rows.jsonl")
    desk.wait(
        lambda: desk.status("drop")["state"] == "running" and desk.events("start", "drop")[2:], name="drop"
    )
    desk("stop", "drop", "--kill")
    desk.wait(lambda: desk.status("drop")["state"] == "killed", name="drop")
    sealed = max(int(one.name.rpartition("-")[2]) for one in (desk.run("drop") / "checkpoints").glob("c*"))
    starts = len(desk.events("start", "drop"))
    desk("resume", "moved", "--from", "runs/drop", "--detach")
    desk.wait(lambda: desk.events("start", "moved")[starts:], name="moved")
    assert desk.events("start", "moved")[-1]["resumed_from"] == sealed
    desk("stop", "moved")


def test_a_machine_that_is_gone_and_comes_back(desk: Desk) -> None:
    machine = desk.machine
    desk("train", desk.preset(100000), *desk.on, "--name", "lost", "--detach", TUIFTUNE_SSH_PATIENCE="5")
    desk.wait(lambda: desk.events("step", "lost"), name="lost")
    machine.drop()
    told = desk("watch", "lost", "--plain", code=1).stderr
    assert "error: lost: 127.0.0.1" in told
    assert "When it answers again: `tuiftune watch lost`" in told
    assert "is not running (gone)" in desk("stop", "lost").stderr
    told = desk("resume", "lost", code=1).stderr
    assert told.count("error: ") == 1
    machine.start()
    watching = desk.watch("lost")
    desk.wait(lambda: desk.status("lost")["state"] == "running", name="lost")
    machine.change_host_key()
    assert watching.wait(60) == 1
    told = desk("watch", "lost", "--plain", code=1).stderr
    assert "its host key has changed" in told
    (machine.place / "known").unlink()
    watching = desk.watch("lost")
    desk.wait(lambda: desk.status("lost")["state"] == "running", name="lost")
    shutil.rmtree(desk.there("lost"))
    assert watching.wait(120) == 1
    assert "its directory was deleted" in desk.status("lost")["why"]


def test_a_budget_stops_it_and_a_model_directory_is_sent(desk: Desk) -> None:
    base = desk.place / "base model"
    shutil.copytree(os.path.join(os.path.dirname(assets.__file__), "base"), base)
    preset = desk.preset(100000, model=f"'{base}'")
    done = desk("train", preset, *desk.on, "--name", "dear", "--price", "900", "--budget", "12", code=4)
    assert "the budget of $12 was reached" in done.stderr
    assert desk.events("end", "dear")[-1]["state"] == "stopped"
    plan = json.loads((desk.run("dear") / "plan.json").read_text())
    assert plan["resolved"]["model"]["base"] == str(base)


def test_what_is_refused_there_is_one_line_here(desk: Desk) -> None:
    preset = desk.preset()
    for words, said in (
        ((*desk.on, "--set", "data.train=gone.jsonl"), "gone.jsonl: no such file"),
        ((*desk.on, "--set", "model.base=no-such/model"), "no-such/model"),
        ((*desk.on, "--nodes", "2"), "--nodes: does not go with --on ssh"),
        (("--price", "2"), "--price: is of use with --on ssh only"),
        (("--on", "ssh:"), "--on: ssh: is not an address"),
    ):
        told = desk("train", preset, "--name", "none", *words, code=2).stderr
        assert said in told.splitlines()[-1]
        assert told.count("error: ") == 1
        assert not desk.run("none").exists()


def test_an_environment_is_made_there_and_the_machine_is_left_only_when_asked(desk: Desk) -> None:
    """uv brings the packages that this environment has, instead of some GB from an index."""
    real, ours = shutil.which("uv"), sysconfig.get_path("purelib")
    if real is None:
        pytest.skip("no uv")
    uv = desk.machine.home / ".local/bin/uv"
    uv.parent.mkdir(parents=True, exist_ok=True)
    uv.write_text(UV.format(uv=real, python=sys.executable, ours=ours))
    uv.chmod(0o755)
    words = [
        "-m",
        "tuiftune",
        "train",
        desk.preset(4),
        "--on",
        desk.machine.on,
        "--name",
        "own",
        "--price",
        "3",
    ]
    child = pexpect.spawn(
        sys.executable, words, cwd=str(desk.place), env=desk.environment | {"TERM": "dumb"}, timeout=300,
        encoding="utf-8", dimensions=(40, 200),
    )  # fmt: skip
    try:
        child.expect("installing PyTorch and the other packages in")
        child.expect("PyTorch: cpu")
        child.expect("Better than the base model|Not better|eval loss")
        child.expect(r"still bills at \$3.00/hour until you stop it at its provider")
        child.expect(r"Wait here until it is off\? \[y/N\]")
        child.sendline("y")
        child.expect("Stop it at its provider now")
        desk.machine.drop()
        child.expect("does not answer any more")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
        desk.machine.start()
    env = desk.machine.home / "tuiftune/env"
    told = subprocess.run(
        [env / "bin/tuiftune", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("tuiftune ")
    uv.write_text("#!/bin/sh\necho no index >&2; exit 1\n")
    shutil.rmtree(env)
    told = desk("train", desk.preset(4), "--on", desk.machine.on, code=1).stderr
    assert "installing failed: `uv` failed. Read the lines above" in told.splitlines()[-1]
