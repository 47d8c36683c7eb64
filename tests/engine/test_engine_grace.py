"""How much a run may lose: the clock saves where the plan misjudged, a grace too short costs one interval."""

from __future__ import annotations

import json
import os
import signal
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from waiting import wait_until

from tuiftune.plan import cost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

GRACE = 0.4  # seconds between SIGTERM and SIGKILL; hosts give 5 and more, a hindered step takes 600
QUIET: dict[str, Any] = {"data__eval": 0.0, "evaluation__rows": 0}


def losses(run: Path) -> dict[int, float]:
    return {event["step"]: event["loss"] for event in tiny.events(run, "step")}


def staged_step(run: Path) -> int | None:
    """The step of the checkpoint that is written whole, but not yet in its place."""
    try:
        document = json.loads((run / "checkpoints" / ".staged" / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return None
    return int(document["step"])


def test_a_grace_too_short_costs_one_interval(engine: Engine, make_run: Callable[..., Path]) -> None:
    """A step, then a save, that doesn't end before SIGKILL follows SIGTERM: the last save carries."""
    changes = {"training__max_steps": 8, "run__save_every": 2, "method__dropout": 0.1}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0

    job = engine.start("train", broken, fault={"module": "hindered", "hangs_at": 4})
    job.wait_for_step(broken, 3)
    job.send(signal.SIGTERM)
    time.sleep(GRACE)
    job.send(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL, "it would have ended in time"

    job = engine.start("train", broken, "--resume", fault={"module": "hindered", "hangs_saving": 6})
    wait_until(lambda: staged_step(broken) == 6)
    job.send(signal.SIGTERM)
    time.sleep(GRACE)
    job.send(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert engine.train(broken, "--resume") == 0
    assert [event["resumed_from"] for event in tiny.events(broken, "start")] == [None, 2, 4]
    assert losses(broken) == losses(whole)


@pytest.mark.long
def test_the_clock_saves_where_the_interval_is_too_long(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    changes = {"training__max_steps": 60, "run__save_every": 1000, "method__dropout": 0.1, **QUIET}
    whole, clocked = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0
    assert [event["step"] for event in tiny.events(whole, "checkpoint")] == [60]
    hindrance = {"module": "hindered", "slow_steps": 0.02, "may_lose": [0.05, 0.1]}
    job = engine.start("train", clocked, fault=hindrance)
    assert job.wait() == 0
    assert len(tiny.events(clocked, "checkpoint")) > 2
    assert losses(clocked) == losses(whole)


@pytest.mark.parametrize(
    ("steps", "seconds", "most"),
    [(100_000, 10.0, 300.0), (1000, 4.0, 100.0), (100, 1.0, 10.0), (10, 400.0, 300.0)],
    ids=["5 minutes of a long run", "2 % and a tolerance", "not below 10 s", "a step longer than it all"],
)
def test_at_most_5_minutes_or_2_percent(
    steps: int, seconds: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of `seconds` by a clock of our own: the last save is at most `most` ago, or a step."""
    from tuiftune.engine.training import callback

    now = 1000.0
    monkeypatch.setattr(callback.time, "monotonic", lambda: now)
    made = callback.Rhythm.__new__(callback.Rhythm)
    made._saved_at, made._save_took = now, 0.0
    made._speeds = callback.deque([(now, 0)], maxlen=callback.SPEED_WINDOW)
    state = SimpleNamespace(max_steps=steps)
    longest = 0.0
    for _ in range(min(steps, 200)):
        now += seconds
        made._speeds.append((now, 0))
        longest = max(longest, now - made._saved_at)
        if made._too_much_unsaved(state):  # type: ignore[arg-type]
            made._saved_at = now
    assert longest <= max(most, seconds)
    assert longest > 0.7 * most or seconds > most, "it saves no oftener than it must"
    made._save_took = most  # a save that takes as long may only take its share of the time
    assert not made._too_much_unsaved(state) or seconds > most  # type: ignore[arg-type]


def test_large_checkpoints_take_at_most_their_share_of_the_time() -> None:
    """All weights of an 8B model: 96 GB a checkpoint, which five minutes apart would take a quarter of it."""
    import torch

    from tuiftune.engine.training.checkpoint_size import checkpoint_bytes
    from tuiftune.models.resolve import resolve
    from tuiftune.plan.settings import Settings

    arch = resolve("meta-llama/Llama-3.1-8B").architecture
    whole = Settings("full", micro_batch=1, length=2048, weight_bytes=4, autocast=True)
    saving = cost.save_seconds(arch, whole)
    every, why = cost.save_every(10_000, 2.0, saving)
    assert 0.04 < saving / (every * 2.0) < 0.051
    assert "5%" in why
    of_an_hour, said = cost.save_every(1800, 2.0, saving)
    assert of_an_hour == 360, "five checkpoints, each with an evaluation, though they take more than 5%"
    assert "13%" in said
    assert 0.19 < saving / (cost.save_every(300, 2.0, saving)[0] * 2.0) < 0.21, (
        "fewer where they take a fifth"
    )
    assert cost.save_every(10_000, 2.0, cost.save_seconds(arch, Settings("lora", 1, 2048)))[0] == 150
    layer = torch.nn.Linear(1000, 1000, bias=False)
    assert checkpoint_bytes(layer) == 12_000_000
    assert checkpoint_bytes(layer.requires_grad_(False)) == 0


@pytest.mark.parametrize(
    ("steps", "seconds"), [(None, 2.0), (40_000, 2.0), (3000, 1.0), (50, 0.1), (7, 900.0)]
)
def test_the_plan_chooses_the_same(steps: int | None, seconds: float) -> None:
    every, why = cost.save_every(steps, seconds)
    work = float("inf") if steps is None else steps * seconds
    assert every * seconds <= max(min(300.0, max(0.02 * work, 10.0)), seconds)
    assert every >= 1
    assert "at most" in why


def test_waiting_for_the_checkpoint_before_is_saving_and_no_long_step(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    run = make_run(training__max_steps=3, **QUIET | {"run__save_every": 1})
    fault = {"module": "hindered", "seals_slowly": 2.0}
    assert engine.start("train", run, fault=fault).wait() == 0
    told = [
        event.get("step", event.get("detail"))
        for event in tiny.events(run)
        if event["type"] == "checkpoint" or event.get("name") == "saving"
    ]
    said = [f"checkpoint at step {step}" for step in (1, 2, 3)]
    assert told == [said[0], said[1], 1, said[2], 2, 3]


@pytest.mark.parametrize(("free", "writer"), [(1 << 40, "checkpoint"), (1 << 10, "MainThread")])
def test_an_optimizer_is_copied_only_where_ram_has_room_for_it(
    free: int, writer: str, engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """Else the kernel would end the run at its first checkpoint, and again whenever it is resumed."""
    run, seen = make_run(training__max_steps=2, **QUIET | {"run__save_every": 1}), tmp_path / "writers"
    fault = {"module": "hindered", "ram_left": free, "notes_who_writes": str(seen)}
    assert engine.start("train", run, fault=fault).wait() == 0
    assert {name.split("_")[0] for name in seen.read_text().split()} == {writer}
    assert [event["step"] for event in tiny.events(run, "checkpoint")] == [1, 2]


def test_a_stuck_step_is_told_while_it_lasts(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(training__max_steps=8, **QUIET)
    job = engine.start("train", run, fault={"module": "hindered", "hangs_at": 3, "stuck_after": 0.4})
    wait_until(lambda: run.joinpath("events.jsonl").exists() and tiny.events(run, "warning"))
    (warning,) = tiny.events(run, "warning")
    assert warning["code"] == "stuck"
    assert warning["message"].startswith("step 3 has taken")
    assert "resume" in warning["remedy"]
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
