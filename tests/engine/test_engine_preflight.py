"""A preflight check measures the longest rows, leaves nothing behind, and makes room where they don't fit."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import tiny

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

CHANGES: dict[str, dict[str, Any]] = {
    "lora with dropout": {"method__dropout": 0.1, "training__micro_batch": 2},
    "full packed": {"method__technique": "full", "data__packing": True, "training__learning_rate": 0.002},
}
SAME = ("before", "after", "best_step", "steps", "tokens", "samples")


def result_of(run: Path) -> dict[str, Any]:
    document = json.loads((run / "result" / "result.json").read_text())
    assert isinstance(document, dict)
    return document


def trained(run: Path) -> list[tuple[str, str]]:
    """Names and hashes of the last checkpoint's weights, optimizer and random numbers."""
    names = ("model.safetensors", "adapter_model.safetensors", "optimizer.pt", "rng_state.pth")
    found = [run / "checkpoints" / "checkpoint-8" / name for name in names]
    return [(one.name, hashlib.sha256(one.read_bytes()).hexdigest()) for one in found if one.is_file()]


def losses(run: Path) -> list[tuple[int, float, float]]:
    return [(event["step"], event["loss"], event["grad_norm"]) for event in tiny.events(run, "step")]


@pytest.mark.parametrize("kind", list(CHANGES))
def test_training_after_a_preflight_is_the_same_to_the_bit(
    kind: str, engine: Engine, make_run: Callable[..., Path]
) -> None:
    plain = make_run(**CHANGES[kind])
    preflight = make_run(**CHANGES[kind], plan={"preflight": True})
    assert engine.train(plain) == engine.train(preflight) == 0
    assert losses(preflight) == losses(plain)
    assert len(trained(plain)) == 3
    assert trained(preflight) == trained(plain)
    for key in SAME:
        assert result_of(preflight)[key] == result_of(plain)[key], key

    assert result_of(plain)["preflight"] is None
    found = result_of(preflight)["preflight"]
    assert found["measured"]["device"] > 50e6
    assert found["micro_batch"] == found["planned_micro_batch"]
    (memory,) = [event for event in tiny.events(preflight, "memory") if event.get("preflight")]
    assert memory["device"] == found["measured"]["device"]
    assert memory["seconds"] == found["seconds"]
    sizes = [event["bytes"] for event in tiny.events(preflight, "checkpoint")]
    assert found["checkpoint"]["bytes"] == pytest.approx(sizes[0], rel=0.05)
    assert {path.name for path in (preflight / "checkpoints").iterdir()} == {"checkpoint-4", "checkpoint-8"}
    phases = list(dict.fromkeys(event["name"] for event in tiny.events(preflight, "phase")))
    assert phases.index("scoring_before") < phases.index("preflight") < phases.index("training")


@pytest.mark.parametrize("technique", ["lora", "full"])
def test_a_row_that_is_not_a_number_is_left_to_training_to_find(
    technique: str, make_run: Callable[..., Path], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients of the check that are NaN must not reach the weights: the steps after are as without."""
    import torch

    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.training import recipe
    from tuiftune.runs.log.writer import EventWriter
    from tuiftune.runs.store.directory import RunDir

    changes = {"method__technique": technique, "training__max_steps": 2, "data__eval": 0.0}
    plain = make_run(**changes, evaluation__rows=0)
    poisoned = make_run(**changes, evaluation__rows=0, plan={"preflight": True})
    assert engine.train(plain) == 0
    from trl import SFTTrainer

    step = SFTTrainer.training_step
    seen = []

    def with_nan(trainer: Any, model: Any, *rest: Any) -> Any:
        loss = step(trainer, model, *rest)
        if len(seen) < 4:
            seen.append(float(loss))
            for one in model.parameters():
                if one.grad is not None:
                    one.grad.fill_(torch.nan)
        return loss

    monkeypatch.setattr(SFTTrainer, "training_step", with_nan)
    opened = RunDir.open(poisoned)
    report = Report(EventWriter(opened.events_path))
    recipe.train(opened, report, Stopping(lambda: None), resume=False, force=False)
    assert len(seen) == 4, "two updates of two micro steps were tried"
    assert losses(poisoned) == losses(plain)


def test_a_preflight_that_breaks_is_said_and_training_goes_on(
    make_run: Callable[..., Path], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.training import recipe, tried_step
    from tuiftune.runs.log.writer import EventWriter
    from tuiftune.runs.store.directory import RunDir

    def breaks(*_: Any) -> None:
        raise RuntimeError("a kernel that this card lacks")

    monkeypatch.setattr(tried_step, "evaluation", breaks)
    changes = {"training__max_steps": 2, "data__eval": 0.0, "evaluation__rows": 0}
    plain, broken = make_run(**changes), make_run(**changes, plan={"preflight": True})
    assert engine.train(plain) == 0
    opened = RunDir.open(broken)
    recipe.train(
        opened, Report(EventWriter(opened.events_path)), Stopping(lambda: None), resume=False, force=False
    )
    (warned,) = [one for one in tiny.events(broken, "warning") if one["code"] == "preflight_failed"]
    assert "a kernel that this card lacks" in warned["message"]
    assert losses(broken) == losses(plain)
    assert result_of(broken)["preflight"] is None


def test_without_a_gpu_there_is_none_unless_asked_for(engine: Engine, make_run: Callable[..., Path]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    run = make_run(training__max_steps=1, data__eval=0.0, evaluation__rows=0)
    assert engine.train(run) == 0
    assert "preflight" not in [event["name"] for event in tiny.events(run, "phase")]


def test_the_longest_rows_are_tried_and_a_batch_too_large_is_split(
    make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In this process, with an allocator that runs out above 40 tokens; the last run of all is resumed."""
    import torch
    from trl import SFTTrainer

    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.training import recipe
    from tuiftune.runs.log.writer import EventWriter
    from tuiftune.runs.store.directory import RunDir

    step = SFTTrainer.training_step
    seen: list[tuple[int, int]] = []

    def limited(trainer: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        if trainer.state.global_step == 0 and inputs["input_ids"].shape[0] > 2:
            seen.append(tuple(inputs["input_ids"].shape))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return step(trainer, model, inputs, *rest)

    monkeypatch.setattr(SFTTrainer, "training_step", limited)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    documents = tiny.rows(40)
    documents[7]["messages"][0]["content"] += " And so it is." * 4
    rows = tiny.write_rows(tmp_path / "rows.jsonl", documents)
    changes = {"rows": rows, "data__eval": 0.0, "evaluation__rows": 0, "training__effective_batch": 8}
    run = make_run(**changes, training__micro_batch=8, plan={"preflight": True})
    small = make_run(**changes, training__micro_batch=2)

    def train(path: Path, *, resume: bool = False) -> None:
        opened = RunDir.open(path)
        report = Report(EventWriter(opened.events_path))
        recipe.train(opened, report, Stopping(lambda: None), resume=resume, force=False)

    train(run)
    longest = max(shape[1] for shape in seen)
    assert [shape[0] for shape in seen] == [8, 4]
    assert longest > 40
    warned = [event for event in tiny.events(run, "warning") if event["code"] == "micro_batch_lowered"]
    assert [event["message"].partition(" of")[0] for event in warned] == ["8", "4"]
    found = result_of(run)["preflight"]
    assert (found["micro_batch"], found["planned_micro_batch"]) == (2, 8)
    train(small)
    assert losses(run) == losses(small)

    (run / "result" / "result.json").unlink()
    train(run, resume=True)
    assert len(tiny.events(run, "step")) == 8


@pytest.mark.parametrize("fits", [True, False])
def test_room_that_the_plan_did_not_see_is_used(
    fits: bool, make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An imitated card holds 1 GiB a row, or 1.6 GiB from the fourth on, where 1.5 a row were bound."""
    from tuiftune.engine.process import gpu
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.training import recipe
    from tuiftune.plan.memory import CONTEXT
    from tuiftune.runs.log.writer import EventWriter
    from tuiftune.runs.store.directory import RunDir

    gib = 1 << 30
    from trl import SFTTrainer

    step, seen = SFTTrainer.training_step, [0]

    def watched(trainer: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        seen[0] = inputs["input_ids"].shape[0]
        return step(trainer, model, inputs, *rest)

    def memory_of(_: str) -> dict[str, int]:
        held = seen[0] * gib if fits or seen[0] < 4 else int(1.6 * seen[0] * gib)
        return {"allocated": held, "reserved": held - CONTEXT, "device": held}

    monkeypatch.setattr(SFTTrainer, "training_step", watched)
    monkeypatch.setattr(gpu, "memory_of", memory_of)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    changes = {"data__eval": 0.0, "evaluation__rows": 0, "training__max_steps": 4}
    plan = {
        "preflight": True,
        "memory": {"allocated": 3 * gib, "reserved": 3 * gib, "device": 3 * gib, "needs": 3 * gib},
        "gpu": {"name": "cpu", "memory_available": 5 * gib},
        "larger": {"micro_batch": 4, "needs": 6 * gib, "tokens_per_second": 1.0},
    }
    run = make_run(**changes, training__micro_batch=2, plan=plan)
    expected = make_run(**changes, training__micro_batch=4 if fits else 2)
    for path in (run, expected):
        opened = RunDir.open(path)
        report = Report(EventWriter(opened.events_path))
        recipe.train(opened, report, Stopping(lambda: None), resume=False, force=False)
    codes = [event["code"] for event in tiny.events(run, "warning")]
    assert codes == (["micro_batch_raised"] if fits else ["micro_batch_raised", "micro_batch_lowered"])
    found = result_of(run)["preflight"]
    assert (found["micro_batch"], found["planned_micro_batch"]) == (4 if fits else 2, 2)
    assert losses(run) == losses(expected)


def test_a_memory_limit_binds_the_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card is missing here; what it would be told is not."""
    import torch

    from tuiftune.engine.process import gpu
    from tuiftune.plan.memory import CONTEXT

    told: list[float] = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (70 << 30, 80 << 30))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", told.append)
    gpu.keep_within(None)
    assert told == []
    for limit in (24 << 30, 200 << 30):
        gpu.keep_within(limit)
    assert told == [((24 << 30) - CONTEXT) / (80 << 30), 1.0]


def test_the_same_run_is_not_measured_twice(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """A second run takes over what the first measured; one of another rank or length does not."""
    hindrance = {"module": "hindered", "checks_on": "cpu"}
    hindrance["environment"] = {"XDG_STATE_HOME": str(tmp_path / "state")}  # type: ignore[assignment]
    changes = {"training__max_steps": 2, "data__eval": 0.0, "evaluation__rows": 0, "method__dropout": 0.1}

    def checked(plan: dict[str, Any] | None = None, **other: Any) -> tuple[Path, dict[str, Any]]:
        run = make_run(**{**changes, **other}, plan=plan or {})
        assert engine.start("train", run, fault=hindrance).wait() == 0
        (event,) = [event for event in tiny.events(run, "memory") if event.get("preflight")]
        return run, event

    (first, measured), (second, again) = checked(), checked()
    assert "reused" not in measured
    assert measured["seconds"] > 0
    assert (again["reused"], again["seconds"]) == (first.name, 0.0)
    assert again["device"] == measured["device"]
    found = json.loads((second / "preflight.json").read_text())
    assert found["reused"] == first.name
    assert found["checkpoint"] == json.loads((first / "preflight.json").read_text())["checkpoint"]
    assert losses(first) == losses(second)
    assert trained(first) == trained(second)
    others = checked(method__rank=2), checked(data__max_length=48), checked(plan={"preflight": True})
    assert not any("reused" in event for _, event in others)


@pytest.mark.long
@pytest.mark.parametrize("compared", [True, False], ids=["compared", "a stage that does not compare"])
def test_the_base_in_fp8_is_not_compared_twice(
    compared: bool, engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    hindrance: dict[str, Any] = {"module": "hindered", "checks_on": "cpu", "compares_fp8": compared}
    hindrance["environment"] = {"XDG_STATE_HOME": str(tmp_path / "state")}
    changes = {"training__max_steps": 2, "evaluation__rows": 0, "model__quantization": "fp8"}
    first, second = make_run(**changes), make_run(**changes)
    for run in (first, second):
        assert engine.start("train", run, fault=hindrance).wait() == 0
    again = [event for event in tiny.events(second, "memory") if event.get("preflight")]
    assert [event["reused"] for event in again] == [first.name]
    kept = [(run / "fp8.json").exists() for run in (first, second)]
    assert kept == [compared, compared]
    if compared:
        assert (first / "fp8.json").read_text() == (second / "fp8.json").read_text()
        (told,), (twice,) = tiny.events(first, "base"), tiny.events(second, "base")
        assert told["losses"] == twice["losses"]
        phases = [event["detail"] for event in tiny.events(second, "phase") if event["name"] == "preflight"]
        assert phases == [f"measured by {first.name}, which is the same"]
    assert losses(first) == losses(second)
