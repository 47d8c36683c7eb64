"""Probes, sweeps and the queue as a user runs them: the command line, the real engine, the built-in model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long
SETTINGS = ("data.eval=0.2", "data.max_length=64", "evaluation.rows=8", "evaluation.max_new_tokens=8")


def tuiftune(place: Path, *words: str, wait: bool = True) -> Any:
    """A command in a directory with a state of its own; with `wait`, its code, output and messages."""
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(place / "state"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    environment.pop("TUIFTUNE_RUNS", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "tuiftune", *words],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if not wait:
        return process
    out, err = process.communicate(timeout=280)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def until(condition: Any, seconds: float = 200.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.1)


def settings() -> list[str]:
    return [word for one in SETTINGS for word in ("--set", one)]


def test_a_probe_takes_the_middle_rate_although_it_was_killed(tmp_path: Path) -> None:
    words = ["probe", "demo", *settings(), "--rates", "5e-3,1e-6,1", "--steps", "24", "--seeds", "1"]
    process = tuiftune(tmp_path, *words, wait=False)
    first = tmp_path / "runs" / "demo-probe" / "learning_rate-0.005-seed-42" / "result" / "result.json"
    until(first.exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = first.stat().st_mtime_ns
    code, out, err = tuiftune(tmp_path, *words, "--json", "--write", "best.yaml")
    assert code == 0, err
    document = json.loads(out)
    assert document["chosen"] == {"training.learning_rate": 0.005}
    assert document["sure"]
    assert document["finished"]
    assert first.stat().st_mtime_ns == before
    assert "learning_rate: 0.005" in (tmp_path / "best.yaml").read_text()
    states = {one["values"]["training.learning_rate"]: one["state"] for one in document["variants"]}
    assert states[0.005] == "done"
    assert states[1.0] in ("stopped early", "diverged")
    assert not (first.parent / "model").exists()
    listed = json.loads(tuiftune(tmp_path, "runs", "--json")[1])["runs"]
    assert listed == []
    assert len(json.loads(tuiftune(tmp_path, "runs", "--studies", "--json")[1])["runs"]) == 3


def test_queued_runs_train_in_order(tmp_path: Path) -> None:
    short = [*settings(), "--set", "training.max_steps=2"]
    for name in ("a", "b", "c"):
        code, out, err = tuiftune(tmp_path, "train", "demo", "--name", name, "--queue", *short)
        assert code == 0, err
        assert out.strip() == str(tmp_path / "runs" / name)
    assert tuiftune(tmp_path, "status", "c", "--json")[0] == 10
    code, _, err = tuiftune(tmp_path, "stop", "c")
    assert code == 0
    assert "taken out of the queue" in err
    assert tuiftune(tmp_path, "status", "b", "--wait")[0] == 0
    spans = []
    for name in ("a", "b"):
        events = [json.loads(line) for line in (tmp_path / "runs" / name / "events.jsonl").open()]
        spans.append((events[0]["t"], events[-1]["t"]))
    assert spans[0][1] <= spans[1][0]
    assert json.loads(tuiftune(tmp_path, "queue", "--json")[1])["waiting"] == []
    assert json.loads(tuiftune(tmp_path, "status", "c", "--json")[1])["state"] == "new"


def test_a_sweep_and_the_curve_over_rows(tmp_path: Path) -> None:
    words = ["--set", "evaluation.rows=16", "--steps", "12", "--json"]
    over = ["--over", "training.learning_rate=5e-3,1e-5"]
    code, out, err = tuiftune(tmp_path, "sweep", "demo", *settings(), *over, *words)
    assert code == 0, err
    document = json.loads(out)
    assert document["best"] == {"training.learning_rate": 0.005}
    best = document["preset"]
    code, _, err = tuiftune(tmp_path, "preset", "check", best)
    assert code == 0, err
    curve = [
        "decide",
        "builtin:tickets",
        "--model",
        "builtin:tiny",
        "--more-data",
        "--minutes",
        "0.5",
        "--json",
    ]
    code, out, err = tuiftune(tmp_path, *curve)
    document = json.loads(out)
    assert [point["share"] for point in document["points"]] == [0.25, 0.5, 1.0], err
