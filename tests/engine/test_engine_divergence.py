"""A run that diverges ends with its own code, never restarts by itself, and goes on from its best."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import tiny

from tuiftune.errors import ExitCode, UserError
from tuiftune.runs.store import diverged
from tuiftune.runs.store.amend import change
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

WILD: dict[str, Any] = {
    "method__technique": "full",
    "training__learning_rate": 1.0,
    "training__schedule": "constant",
    "training__warmup_ratio": 0.0,
    "training__max_steps": 40,
    "run__save_every": 4,
    "evaluation__samples": 0,
}


def end_of(run: Path) -> dict[str, Any]:
    return tiny.events(run, "end")[-1]


def rates(run: Path) -> list[float]:
    return [event["lr"] for event in tiny.events(run, "step")]


@pytest.mark.parametrize("held_out", [0.2, 0])
def test_a_diverging_run_stops_and_goes_on_with_a_lower_rate_only(
    engine: Engine, make_run: Callable[..., Path], held_out: float
) -> None:
    run = make_run(**WILD, data__eval=held_out)
    assert engine.train(run) == ExitCode.DIVERGED
    end, steps = end_of(run), tiny.events(run, "step")
    assert end["state"] == "diverged"
    assert "diverged at a learning rate of 1" in end["why"]
    assert "--set training.learning_rate=" in end["why"]
    assert steps[-1]["step"] < 20, "within half of the run"
    noted = diverged.noted(RunDir(run))
    assert noted is not None
    assert not (run / "result" / "result.json").exists()

    assert engine.train(run, "--resume") == ExitCode.DIVERGED, "not by itself"
    assert len(tiny.events(run, "step")) == len(steps)

    change(RunDir(run), ["training.learning_rate=0.002"])
    diverged.settle(RunDir(run))
    assert engine.train(run, "--resume") == 0
    again = tiny.events(run, "step")[len(steps) :]
    assert again[0]["step"] == (noted.step or 0) + 1
    assert {event["lr"] for event in again} == {0.002}
    result = json.loads((run / "result" / "result.json").read_text())
    if held_out:
        assert result["after"]["loss"] < result["before"]["loss"]
        assert result["verdict"]["better"] is True
    else:
        assert result["verdict"]["better"] is None


@pytest.mark.long
def test_the_checkpoint_to_go_on_from_is_the_best_and_its_optimizer_takes_the_new_rate(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    """A long warmup reaches too high a rate only after it has learned."""
    late = {**WILD, "training__schedule": "constant_with_warmup", "training__warmup_ratio": 1.0}
    run = make_run(
        **{**late, "training__max_steps": 100, "run__checkpoints": 1, "training__early_stopping": 0}
    )
    assert engine.train(run) == ExitCode.DIVERGED
    noted = diverged.noted(RunDir(run))
    losses = {one["step"]: one["loss"] for one in tiny.events(run, "eval") if one["when"] == "during"}
    assert noted is not None
    assert noted.step == min(losses, key=lambda step: losses[step])
    assert (run / "checkpoints" / f"checkpoint-{noted.step}").is_dir()
    done = len(tiny.events(run, "step"))
    change(RunDir(run), ["training.learning_rate=0.005"])
    diverged.settle(RunDir(run))
    assert engine.train(run, "--resume") == 0
    again = tiny.events(run, "step")[done:]
    assert again[0]["step"] == noted.step + 1
    assert again[0]["lr"] == pytest.approx(0.005 * noted.step / 100, rel=0.1)
    assert max(event["lr"] for event in again) <= 0.005


def test_a_patience_of_0_trains_to_the_end_and_tells_the_truth(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    run = make_run(**WILD, training__divergence_patience=0, training__early_stopping=0)
    assert engine.train(run) == 0
    result = json.loads((run / "result" / "result.json").read_text())
    assert result["best_step"] == 0, "the base model was the best"
    assert result["verdict"]["better"] is False
    assert not result["verdict"]["says"].startswith("Better")
    page = (run / "result" / "README.md").read_text()
    assert result["verdict"]["says"] in page
    assert "the base model's eval loss was lower" in page


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("method.rank=4", "cannot be changed when a run is resumed"),
        ("training.epochs=9", "cannot be changed when a run is resumed"),
        ("training.learning_rate=high", "learning_rate"),
        ("training.learning_rat=1e-4", "cannot be changed when a run is resumed"),
        ("training.learning_rate=auto", "auto is resolved"),
        ("training.learning_rate", "KEY=VALUE"),
    ],
)
def test_what_a_run_cannot_go_on_with_is_refused(
    make_run: Callable[..., Path], setting: str, words: str
) -> None:
    run = make_run()
    before = (run / "plan.json").read_bytes()
    with pytest.raises(UserError, match=words) as refused:
        change(RunDir(run), [setting])
    assert refused.value.exit_code == ExitCode.USAGE
    assert (run / "plan.json").read_bytes() == before
