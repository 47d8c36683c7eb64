"""Processes that divide gradients and optimizer states (ZeRO-2) are the run of one: losses, result.

With DeepSpeed on CPUs, which `.ci/long` installs.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from test_engine_sharded import INJECT, STEPS, farthest, files, losses, norms, result, second_of

from tuiftune.errors import UserError
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store import control
from tuiftune.runs.store.amend import change
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"),
]
FULL: dict[str, Any] = {
    "method__technique": "full",
    "training__learning_rate": 0.0005,
    "training__max_steps": STEPS,
}
ALONE: dict[str, Any] = {**FULL, "training__micro_batch": 4}
PAIR: dict[str, Any] = {
    **FULL,
    "hardware__processes": 2,
    "hardware__parallel": "zero2",
    "training__micro_batch": 2,
}


@pytest.mark.timeout(400)
def test_two_are_the_run_of_one(engine: Engine, make_run: Callable[..., Path]) -> None:
    alone, divided = make_run(**ALONE), make_run(**PAIR)
    assert engine.run("train", alone) == (0, "")
    assert engine.run("train", divided) == (0, "")
    assert losses(divided) == pytest.approx(losses(alone), rel=1e-5)
    assert norms(divided) == pytest.approx(norms(alone), rel=1e-4)
    for kind, key in (("step", "tokens"), ("step", "lr"), ("eval", "step"), ("score", "rows")):
        assert [e[key] for e in tiny.events(divided, kind)] == [e[key] for e in tiny.events(alone, kind)]
    for when in ("before", "after"):
        assert result(divided)[when]["loss"] == pytest.approx(result(alone)[when]["loss"], rel=1e-4)
    (told,) = tiny.events(divided, "divided")
    trained = result(divided)["trainable"]
    assert len(told["updated"]) == 2
    assert trained <= sum(told["updated"]) < 1.01 * trained
    assert max(told["updated"]) < 0.51 * trained
    saved = divided / "checkpoints" / f"checkpoint-{STEPS}"
    listed = json.loads((saved / "manifest.json").read_text())["files"]
    both = [listed[name]["size"] for name in ("optimizer.pt", "optimizer-1.pt")]
    assert max(both) < 0.55 * sum(both), "each writes its own part: two states and the weights it updates"
    assert 12 * trained < sum(both) < 12.5 * trained
    assert 3.9 * trained < listed["model.safetensors"]["size"] < 4.1 * trained
    assert sorted(path.name for path in (divided / "result" / "model").iterdir()) == sorted(
        path.name for path in (alone / "result" / "model").iterdir()
    )
    assert farthest(alone, divided, base=None) < 1e-3


@pytest.mark.timeout(400)
def test_stopped_and_killed_they_resume_to_the_bit(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {**PAIR, "training__max_steps": 24, "run__save_every": 5}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0

    job = engine.start("train", broken)
    job.wait_for_step(broken, 2)
    control.request_stop(RunDir.open(broken), "a test")
    assert job.wait() == 4
    assert tiny.events(broken, "end")[-1]["state"] == "stopped"
    control.clear(RunDir.open(broken))
    stopped_at = max(losses(broken))
    with pytest.raises(UserError, match=r"cannot be divided among another number"):
        change(RunDir.open(broken), ["hardware.processes=4"])

    job = engine.start("train", broken, "--resume")
    job.wait_for_step(broken, stopped_at + 2)
    os.kill(second_of(job).pid, signal.SIGKILL)
    assert job.wait() == 1
    assert status(RunDir.open(broken)) == "died"
    assert "process 2 of 2 was terminated by SIGKILL" in tiny.events(broken, "warning")[-1]["message"]

    assert engine.run("train", broken, "--resume") == (0, "")
    assert losses(broken) == losses(whole)
    assert files(broken) == files(whole)
    for key in ("before", "after", "best_step", "steps", "tokens", "samples"):
        assert result(broken)[key] == result(whole)[key], key


def test_products_in_16_bit_are_those_of_one_process_but_for_rounding(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    """The weights stay in float32: were they rounded, losses would be, too."""
    half = {"model__dtype": "bfloat16"}
    alone, divided = make_run(**ALONE, **half), make_run(**PAIR, **half)
    assert engine.run("train", alone) == engine.run("train", divided) == (0, "")
    assert losses(divided) == pytest.approx(losses(alone), rel=0.002)
    exact = make_run(**ALONE)
    assert engine.run("train", exact) == (0, "")
    assert losses(divided) != pytest.approx(losses(exact), rel=1e-5), "products in 16 bit"


def test_what_one_of_them_meets_ends_all(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(**PAIR, run__save_every=1, data__eval=0.0, evaluation__rows=0)
    job = engine.start("train", run, fault={**INJECT, "kind": "loss inf", "step": 3, "rank": 1})
    assert job.wait() == 5
    (end,) = tiny.events(run, "end")
    assert end["state"] == "nan"
    assert not (run / "checkpoints" / "checkpoint-3").exists()


@pytest.mark.timeout(300)
def test_memory_that_one_of_them_lacks_halves_both(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {**PAIR, "training__micro_batch": 4, "run__save_every": 2, "training__max_steps": 6}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0
    job = engine.start("train", broken, fault={**INJECT, "kind": "oom", "step": 3, "rank": 1})
    assert job.wait(240) == 0
    assert [event["code"] for event in tiny.events(broken, "warning")] == ["micro_batch_halved"]
    assert losses(broken) == pytest.approx(losses(whole), rel=1e-4)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "more",
    [
        {"training__max_grad_norm": 0.05},
        {"training__activation_checkpointing": True, "training__optimizer": "adamw_torch"},
    ],
)
def test_other_settings_are_the_run_of_one(
    more: dict[str, Any], engine: Engine, make_run: Callable[..., Path]
) -> None:
    alone, divided = make_run(**{**ALONE, **more}), make_run(**{**PAIR, **more})
    assert engine.run("train", alone) == (0, "")
    assert engine.run("train", divided) == (0, "")
    assert losses(divided) == pytest.approx(losses(alone), rel=1e-5)


@pytest.mark.timeout(400)
def test_a_rate_changed_on_resuming_counts_as_for_one(engine: Engine, make_run: Callable[..., Path]) -> None:
    """What remains of the run is trained at it, from the states that were divided."""
    rates = {}
    for settings in (ALONE, PAIR):
        run = make_run(**{**settings, "run__save_every": 2, "training__max_steps": 8})
        job = engine.start("train", run)
        job.wait_for_step(run, 1)
        control.request_stop(RunDir.open(run), "a test")
        assert job.wait() == 4
        control.clear(RunDir.open(run))
        change(RunDir.open(run), ["training.learning_rate=0.0001", "training.schedule=constant"])
        assert engine.run("train", run, "--resume") == (0, "")
        rates[settings["training__micro_batch"]] = {
            event["step"]: event["lr"] for event in tiny.events(run, "step")
        }
    assert rates[2][8] == rates[4][8] == 0.0001
