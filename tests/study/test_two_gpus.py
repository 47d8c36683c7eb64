"""Two GPUs, replayed as recorded on two H200s: a study uses both, and the queue waits for a free one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parents[1] / "hardware"))

from nvml_replay import Replay

from tuiftune.hardware import nvml
from tuiftune.jobs import backend, queueing
from tuiftune.jobs.study.trial import DONE
from tuiftune.jobs.sweeping import prepare_sweep
from tuiftune.runs.log.reader import EventReader
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store import queue
from tuiftune.runs.store.directory import RunDir, create
from tuiftune.runs.store.find import study_runs
from tuiftune.runs.store.registry import register

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset

RECORDED = Path(__file__).parents[1] / "hardware" / "fixtures" / "nvml-two-h200.json"


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "_SESSION", nvml.Nvml(Replay.of_file(RECORDED)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.long
def test_a_study_runs_one_trial_on_each_gpu(preset: Preset, root: Path, quick: list[float]) -> None:
    quick[0] = 0.6
    over = ["training.learning_rate=5e-3,4e-3"]
    made = prepare_sweep(preset, over, root, steps=8, halves=False).run()
    assert [one.state for one in made.standings] == [DONE, DONE]
    runs = study_runs(root)
    assert sorted(run.planned().resolved["hardware"]["gpus"] for run in runs) == [[0], [1]]
    spans = []
    for run in runs:
        events = EventReader(run.events_path).poll()
        spans.append((events[0]["t"], events[-1]["t"]))
    assert max(began for began, _ in spans) < min(ended for _, ended in spans), "at the same time"


def test_the_queue_gives_a_run_the_free_gpu(root: Path, quick: list[float]) -> None:
    quick[0] = 5.0
    resolved = {
        "data": {"train": "x"},
        "hardware": {"gpus": 1, "processes": "auto"},
        "training": {"learning_rate": 5e-3, "seed": 1, "max_steps": 4},
    }
    plan = {"gpu": {"name": "NVIDIA H200"}, "memory": {"needs": 1 << 30}, "resolved": resolved}
    runs = [create(root, name, "", plan) for name in ("a", "b", "c")]
    for run in runs:
        register(run)
        queue.add(run)
    assert queueing.place_for(runs[0]) == (0,)
    backend.train(runs[0])
    queue.remove(runs[0])
    assert queueing.place_for(runs[1]) == (1,)
    queueing._start(queue.waiting()[0], (1,))
    assert RunDir(runs[1].path).planned().resolved["hardware"]["gpus"] == [1]
    assert queueing.place_for(runs[2]) is None
    assert status(runs[2]) == "queued"
    large = create(root, "large", "", {**plan, "memory": {"needs": 1 << 45}})
    until = time.monotonic() + 20
    while not all(run.events_path.exists() for run in runs[:2]) and time.monotonic() < until:
        time.sleep(0.02)
    backend.stop(runs[0], "a test", kill=True)
    assert queueing.place_for(runs[2]) == (0,)
    assert queueing.place_for(large) is None, "no GPU has so much free"
    backend.stop(runs[1], "a test", kill=True)
