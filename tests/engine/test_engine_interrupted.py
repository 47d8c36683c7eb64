"""Runs that are stopped, signalled, killed or damaged go on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import tiny

from tuiftune.errors import UserError
from tuiftune.runs.store.amend import give_budget
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

STEPS = 24
CHANGES: dict[str, dict[str, Any]] = {
    "lora": {"method__dropout": 0.1, "training__micro_batch": 2},
    "full packed": {
        "method__technique": "full",
        "model__dtype": "bfloat16",  # of the products; the weights are float32 in a checkpoint too
        "data__packing": True,
        "training__learning_rate": 0.002,
    },
}
ENDLESS = {
    "training__max_steps": 100_000,
    "run__save_every": 50_000,
    "data__eval": 0.0,
    "evaluation__rows": 0,
}


def last_weights(run: Path, step: int = STEPS) -> dict[str, str]:
    """Hashes of what the last checkpoint holds: weights and optimizer, whatever was saved beside them."""
    folder = run / "checkpoints" / f"checkpoint-{step}"
    names = (
        "model.safetensors",
        "adapter_model.safetensors",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
    )
    found = [folder / name for name in names if (folder / name).is_file()]
    assert len(found) == 4
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def steps_of(run: Path) -> dict[int, float]:
    """The loss of each step; where a step ran twice, of its last time."""
    return {event["step"]: event["loss"] for event in tiny.events(run, "step")}


def end_of(run: Path) -> dict[str, Any]:
    return tiny.events(run, "end")[-1]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == "lora" else [pytest.mark.long]) for kind in CHANGES]
)
def test_stop_and_kill_resume_to_the_bit(kind: str, engine: Engine, make_run: Callable[..., Path]) -> None:
    changes: dict[str, Any] = {"training__max_steps": STEPS, "run__save_every": 5, **CHANGES[kind]}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0

    job = engine.start("train", broken)
    job.wait_for_step(broken, 3)
    (broken / "control" / "stop").write_text(json.dumps({"by": "a test"}))
    assert job.wait() == 4
    assert end_of(broken)["state"] == "stopped"
    assert "a test" in end_of(broken)["why"]
    stopped_at = max(steps_of(broken))
    assert (broken / "checkpoints" / f"checkpoint-{stopped_at}").is_dir()
    assert not (broken / "result" / "result.json").exists()
    (broken / "control" / "stop").unlink()

    job = engine.start("train", broken, "--resume")
    job.wait_for_step(broken, min(stopped_at + 3, STEPS))
    job.send(signal.SIGKILL)
    job.wait()
    assert engine.train(broken, "--resume") == 0

    assert [event["resumed_from"] for event in tiny.events(broken, "start")][:2] == [None, stopped_at]
    assert steps_of(broken) == steps_of(whole)
    assert last_weights(broken) == last_weights(whole)
    results = [json.loads((run / "result" / "result.json").read_text()) for run in (whole, broken)]
    for key in ("before", "after", "best_step", "steps", "tokens", "samples"):
        assert results[0][key] == results[1][key], key


@pytest.mark.parametrize(
    ("number", "state"),
    [(signal.SIGTERM, "preempted"), (signal.SIGUSR1, "preempted"), (signal.SIGINT, "stopped")],
)
def test_signals_save_at_a_step_boundary(
    number: signal.Signals, state: str, engine: Engine, make_run: Callable[..., Path]
) -> None:
    run = make_run(**ENDLESS)
    job = engine.start("train", run)
    job.wait_for_step(run, 2)
    job.send(signal.SIGHUP)
    job.wait_for_step(run, max(steps_of(run)) + 3)
    job.send(number)
    assert job.wait() == 4
    end = end_of(run)
    assert (end["state"], end["exit_code"]) == (state, 4)
    assert number.name in end["why"]
    (saved,) = tiny.events(run, "checkpoint")
    assert saved["step"] == max(steps_of(run))
    assert (run / "checkpoints" / f"checkpoint-{saved['step']}" / "manifest.json").is_file()


def test_an_evaluation_that_a_signal_cut_off_is_made_up_for(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    """Every step is due for evaluation here, so the signal always lands on one."""
    changes = {"training__max_steps": 12, "run__save_every": 1, "method__dropout": 0.1}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0
    job = engine.start("train", broken)
    job.wait_for_step(broken, 2)
    job.send(signal.SIGTERM)
    assert job.wait() == 4
    assert engine.train(broken, "--resume") == 0

    def during(run: Path) -> dict[int, float]:
        return {
            event["step"]: event["loss"] for event in tiny.events(run, "eval") if event["when"] == "during"
        }

    assert during(broken) == during(whole)
    assert last_weights(broken, 12) == last_weights(whole, 12)


def test_a_spent_budget_ends_in_a_checkpoint(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(**ENDLESS, budget__max_usd=0.01, budget__usd_per_hour=12.0)
    assert engine.train(run) == 4
    end = end_of(run)
    assert end["state"] == "stopped"
    assert "$0.01" in end["why"]
    assert len(tiny.events(run, "checkpoint")) == 1

    done = max(steps_of(run))
    assert engine.train(run, "--resume") == 4, "what is spent stays spent"
    assert max(steps_of(run)) == done
    give_budget(RunDir.open(run), max_usd=100.0)
    job = engine.start("train", run, "--resume")
    job.wait_for_step(run, done + 1)
    job.send(signal.SIGTERM)
    assert job.wait() == 4
    assert end_of(run)["state"] == "preempted"
    for wrong in (-1.0, float("nan")):
        with pytest.raises(UserError, match=r"budget.max_hours"):
            give_budget(RunDir.open(run), max_hours=wrong)


def test_a_damaged_newest_checkpoint_falls_back(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {"training__max_steps": STEPS, "run__save_every": 5}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0
    job = engine.start("train", broken)
    job.wait_for_step(broken, 12)
    job.send(signal.SIGTERM)
    assert job.wait() == 4
    newest, older = sorted(
        (broken / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name[11:]), reverse=True
    )
    weights = newest / "adapter_model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-3] ^= 1
    weights.write_bytes(damaged)

    assert engine.train(broken, "--resume") == 0
    (warning,) = [event for event in tiny.events(broken, "warning") if event["code"] == "checkpoint_damaged"]
    assert newest.name in warning["message"]
    assert tiny.events(broken, "start")[-1]["resumed_from"] == int(older.name[11:])
    assert last_weights(broken) == last_weights(whole)


def test_nothing_whole_is_refused(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run()
    assert engine.train(run) == 0
    (run / "result" / "result.json").unlink()
    for path in (run / "checkpoints").iterdir():
        (path / "optimizer.pt").unlink()
    assert engine.train(run, "--resume") == 2
    assert "whole" in end_of(run)["why"]


def test_a_changed_resume_is_refused_unless_forced(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(training__max_steps=STEPS, run__save_every=5)
    job = engine.start("train", run)
    job.wait_for_step(run, 6)
    job.send(signal.SIGINT)
    assert job.wait() == 4
    plan = json.loads((run / "plan.json").read_text())
    plan["resolved"]["training"]["micro_batch"] = 2
    (run / "plan.json").write_text(json.dumps(plan))
    assert engine.train(run, "--resume") == 2
    assert "training.micro_batch was 4, is 2" in end_of(run)["why"]
    assert engine.train(run, "--resume", "--force") == 0


def test_a_base_that_was_replaced_is_noticed_and_an_edited_preset_told(
    engine: Engine, make_run: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    """Weights and tokenizer under the same names; the preset's copy, which a run doesn't go by."""
    base = tmp_path / "base"
    shutil.copytree(model, base)
    run = make_run(base=base, training__max_steps=STEPS, run__save_every=5)
    job = engine.start("train", run)
    job.wait_for_step(run, 6)
    job.send(signal.SIGINT)
    assert job.wait() == 4
    for name, what in (
        ("model.safetensors", "the base model's weights"),
        ("tokenizer.json", "the tokenizer"),
    ):
        sound = (base / name).read_bytes()
        (base / name).write_bytes(another(name, sound))
        assert engine.train(run, "--resume") == 2
        assert f"{what}" in end_of(run)["why"]
        assert " differ" in end_of(run)["why"]
        (base / name).write_bytes(sound)
    preset = json.loads((run / "preset.yaml").read_text())
    preset["training"]["learning_rate"] = 0.5
    (run / "preset.yaml").write_text(json.dumps(preset))
    assert engine.train(run, "--resume") == 0
    told = [event for event in tiny.events(run, "warning") if event["code"] == "preset_edited"]
    assert "training.learning_rate: 0.5, was 0.005" in told[0]["message"]
    assert max(event["lr"] for event in tiny.events(run, "step")) == pytest.approx(0.005)


def another(name: str, sound: bytes) -> bytes:
    """Another file of the same form: other weights in the same shapes, or an entry more."""
    if name == "tokenizer.json":
        return json.dumps({**json.loads(sound), "padding": None, "truncation": None}, indent=3).encode()
    return sound[:-1024] + bytes(1024)


def test_checkpoints_that_are_all_gone_are_told(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(training__max_steps=6, run__save_every=2)
    job = engine.start("train", run)
    job.wait_for_step(run, 3)
    job.send(signal.SIGKILL)
    job.wait()
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "checkpoint-4").touch()
    assert engine.train(run, "--resume") == 0
    told = {event["code"]: event["message"] for event in tiny.events(run, "warning")}
    assert "checkpoints (the last of step 2) are missing: it restarts" in told["begins_again"]
    assert "checkpoint-4 (a file)" in told["not_checkpoints"]
    assert (run / "result" / "result.json").exists()


def test_a_stop_while_scoring_is_taken_up_where_it_was(engine: Engine, make_run: Callable[..., Path]) -> None:
    """All steps ran, then the process died before its result: resuming trains nothing."""
    run = make_run()
    assert engine.train(run) == 0
    first = json.loads((run / "result" / "result.json").read_text())
    (run / "result" / "result.json").unlink()
    shutil.rmtree(run / "result" / "model")
    trained = len(tiny.events(run, "step"))
    assert engine.train(run, "--resume") == 0
    again = json.loads((run / "result" / "result.json").read_text())
    assert len(tiny.events(run, "step")) == trained
    assert {**first, "seconds": 0} == {**again, "seconds": 0}


def test_a_signal_at_the_very_last_step_loses_nothing(engine: Engine, make_run: Callable[..., Path]) -> None:
    """As such a signal leaves it: all steps done, the last evaluation still owed. No step may be added."""
    run = make_run(training__max_steps=10)
    assert engine.train(run) == 0
    first = json.loads((run / "result" / "result.json").read_text())
    (run / "result" / "result.json").unlink()
    folder = run / "checkpoints" / "checkpoint-10"
    progress = json.loads((folder / "progress.json").read_text())
    manifest = json.loads((folder / "manifest.json").read_text())
    before = {"finished": False, "evaluate_first": True, "best_step": 8, "best_loss": 99.0, "misses": 0}
    text = json.dumps({**progress, **before})
    manifest["files"]["progress.json"] = {
        "size": len(text),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    (folder / "progress.json").write_text(text)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert engine.train(run, "--resume") == 0
    assert len(tiny.events(run, "step")) == 10
    again = json.loads((run / "result" / "result.json").read_text())
    assert {**first, "seconds": 0} == {**again, "seconds": 0}


def test_a_finished_or_busy_run_is_left_alone(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(**ENDLESS)
    job = engine.start("train", run)
    job.wait_for_step(run, 1)
    code, said = engine.run("train", run)
    assert code == 2
    assert "already being trained" in said
    job.send(signal.SIGTERM)
    assert job.wait() == 4
    log = (run / "events.jsonl").read_bytes()
    code, said = engine.run("train", run)
    assert code == 2
    assert "resume" in said
    assert (run / "events.jsonl").read_bytes() == log


def test_started_by_hand_it_says_one_line(make_run: Callable[..., Path]) -> None:
    """A process of its own, not a forked one: `python -m`, from a terminal's point of view."""
    run = make_run(model__base="/nowhere/at/all")
    done = subprocess.run(
        [sys.executable, "-m", "tuiftune.engine", "train", str(run)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert end_of(run)["state"] == "failed"


def test_killed_between_its_result_and_its_last_word(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run()
    assert engine.train(run) == 0
    log = run / "events.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if '"type":"end"' not in line))
    result = (run / "result" / "result.json").read_bytes()
    assert engine.train(run, "--resume") == 0
    assert end_of(run)["state"] == "done"
    assert (run / "result" / "result.json").read_bytes() == result
