"""The queue of a machine: in order, one at a time on a CPU, and no run twice, whatever is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tuiftune.cli.stopping import stop
from tuiftune.jobs import backend, queueing
from tuiftune.jobs.backends import local
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import status, vitals
from tuiftune.runs.state.summary import Summaries
from tuiftune.runs.store import queue
from tuiftune.runs.store.directory import RunDir, create
from tuiftune.runs.store.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAN = {
    "gpu": {"name": "cpu"},
    "resolved": {"data": {"train": "x"}, "training": {"learning_rate": 5e-3, "seed": 1, "max_steps": 4}},
}


@pytest.fixture
def new(root: Path) -> Callable[[str], RunDir]:
    def make(name: str) -> RunDir:
        run = create(root, name, "", PLAN)
        register(run)
        return run

    return make


def span(run: RunDir) -> tuple[float, float]:
    events = EventReader(run.events_path).poll()
    assert sum(event["type"] == "start" for event in events) == 1, "started once"
    return events[0]["t"], events[-1]["t"]


def test_runs_start_in_order_one_after_another(
    new: Callable[[str], RunDir], quick: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick[0] = 0.05
    monkeypatch.setattr(queueing, "ANOTHER_WITHIN", 0.2)
    runs = [new(name) for name in ("b", "a", "c", "d")]
    assert [queue.add(run) for run in runs] == [1, 2, 3, 4]
    assert queue.add(runs[0]) == 1  # once
    assert [status(run) for run in runs] == ["queued"] * 4
    assert vitals(runs[2]).why == "number 3 in the queue"
    summaries = Summaries()
    assert summaries.of(runs[3]).status == "queued"
    assert stop(runs[3], wait=True, kill=False) == 0
    assert summaries.of(runs[3]).status == "new"
    held = queue.take_server()
    assert held is not None
    assert queue.take_server() is None
    assert queueing.serve(poll=0.02) is False
    os.close(held)
    servers = [threading.Thread(target=queueing.serve, kwargs={"poll": 0.02}) for _ in range(2)]
    for server in servers:
        server.start()
    for server in servers:
        server.join(60)
    until = time.monotonic() + 30
    while any(status(run) == "running" for run in runs) and time.monotonic() < until:
        time.sleep(0.02)
    assert [status(run) for run in runs] == ["done", "done", "done", "new"]
    spans = [span(run) for run in runs[:3]]
    assert all(ended <= began for (_, ended), (began, _) in pairwise(spans))
    assert queue.waiting() == []
    assert not queue.served()


def test_a_crash_or_a_refusal_does_not_stop_the_queue(
    new: Callable[[str], RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = backend.train

    def train(run: RunDir, **rest: object) -> int:
        if run.name == "crashes":
            return local.launch(run, [sys.executable, "-c", "raise SystemExit(3)"])
        return usual(run)

    monkeypatch.setattr("tuiftune.jobs.backend.train", train)
    needs_gpu = new("needs-gpu")
    needs_gpu.write_plan({**PLAN, "gpu": {"name": "H100"}})
    runs = [new("crashes"), needs_gpu, new("goes-on")]
    for run in runs:
        queue.add(run)
    said: list[str] = []
    monkeypatch.setattr("tuiftune.hardware.nvml.Nvml.read", lambda self: _no_gpus())
    assert queueing.serve(said.append, poll=0.02)
    until = time.monotonic() + 30
    while status(runs[2]) != "done" and time.monotonic() < until:
        time.sleep(0.02)
    assert [status(run) for run in runs] == ["died", "new", "done"]
    assert any("its plan is for a GPU, and there is none" in line for line in said)


def test_a_killed_server_leaves_the_queue_to_the_next(new: Callable[[str], RunDir], root: Path) -> None:
    first, gone, second = new("first"), new("gone"), new("second")
    for run in (first, gone, second):
        queue.add(run)
    backend.train(first)  # what a server did that was killed before it could take it out of the queue
    gone.plan_path.unlink()
    queue.queue_path().write_text(queue.queue_path().read_text() + '{"run": 7}\nnot json\n')
    assert [entry.run.name for entry in queue.waiting()] == ["first", "second"]
    assert queueing.serve(poll=0.02)
    until = time.monotonic() + 30
    while status(second) != "done" and time.monotonic() < until:
        time.sleep(0.02)
    for run in (first, second):
        span(run)  # started once
    assert json.loads(first.plan_path.read_text())["gpu"] == {"name": "cpu"}


def test_a_run_between_two_restarts_keeps_its_place(
    new: Callable[[str], RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, after = new("kept"), new("after")
    queue.add(kept, keep_alive=True)
    queue.add(after)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    monkeypatch.setattr("tuiftune.jobs.supervisor.detach", lambda run: process.pid)
    queueing._start(queue.waiting()[0], ())
    assert [entry.run.name for entry in queue.waiting()] == ["after"]
    assert status(kept) == "new"  # as before its first process, and after a crash
    assert queueing.place_for(after) is None
    process.communicate(b"\n")
    assert queueing.place_for(after) == ()


def _no_gpus() -> object:
    from tuiftune.hardware.nvml import NvmlReading

    return NvmlReading(gpus=(), driver=None, cuda=None, fault="none")
