"""The step that is shown is the step that is trained: no update is rounded away, no warmup is a whole run."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tiny

from tuiftune.models import weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

SEEDS = (42, 1, 2)


def losses(run: Path) -> list[float]:
    return [event["loss"] for event in tiny.events(run, "step")]


def result_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "result" / "result.json").read_text())
    return found


def moved(base: Path, run: Path) -> float:
    """The share of weights that are not what they were."""
    from safetensors.torch import load_file

    before = load_file(base / "model.safetensors")
    after = load_file(run / "result" / "model" / "model.safetensors")
    changed = sum(int((before[name] != after[name]).sum()) for name in before)
    return changed / sum(one.numel() for one in before.values())


def test_thirty_steps_in_bfloat16_are_those_in_float32(
    engine: Engine, make_run: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    """Within what another seed does to the same run; with weights in bfloat16 most would not move at all."""
    held_out = tiny.write_rows(tmp_path / "held-out.jsonl", tiny.rows()[:16])
    values = {
        "method__technique": "full",
        "data__eval": str(held_out),
        "training__learning_rate": 2e-5,
        "training__max_steps": 30,
        "training__early_stopping": 0,
        "evaluation__score": "none",
        "evaluation__samples": 0,
        "run__save_every": 30,
    }
    exact = [make_run(**values, training__seed=seed) for seed in SEEDS]
    half = make_run(**values, model__dtype="bfloat16")
    for job in [engine.start("train", run) for run in (*exact, half)]:
        assert job.wait() == 0
    ends = [result_of(run)["after"]["loss"] for run in exact]
    spread = max(ends) - min(ends)
    gained = result_of(exact[0])["before"]["loss"] - ends[0]
    assert gained > 20 * spread, "the seeds differ by less than what is learnt"
    assert abs(result_of(half)["after"]["loss"] - ends[0]) <= max(spread, 0.02 * gained)
    between = max(abs(one - two) for one, two in zip(losses(exact[0]), losses(half), strict=True))
    assert between < 0.02
    assert moved(model, half) > 0.99


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant", "constant_with_warmup"])
@pytest.mark.parametrize(
    ("steps", "ratio", "told"),
    [(1, 0.03, True), (1, 1.0, True), (2, 0.03, False), (2, 1.0, True), (4, 1.0, True), (100, 0.03, False)],
)
def test_the_last_step_at_least_is_trained_at_the_full_rate(
    schedule: str, steps: int, ratio: float, told: bool
) -> None:
    import torch
    from transformers import get_scheduler

    from tuiftune.engine.training import arguments
    from tuiftune.engine.training.settings import Settings
    from tuiftune.preset.schema import Preset

    values = tiny.resolved("m", "d", training__max_steps=steps, training__warmup_ratio=ratio)  # type: ignore[arg-type]
    values["training"]["schedule"] = schedule
    settings = Settings(Preset.model_validate(values), {}, "cpu", None, "auto")
    args = SimpleNamespace(per_device_train_batch_size=1, world_size=1, gradient_accumulation_steps=1)
    warnings: list[str] = []
    report: Any = SimpleNamespace(warning=lambda code, *_: warnings.append(code))
    arguments.settle_steps(SimpleNamespace(args=args, train_dataset=[0] * 8), settings, report)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(schedule, optimizer, args.warmup_steps, args.max_steps)  # type: ignore[attr-defined]
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert max(rates) == pytest.approx(1.0), "the rate that is asked for is reached"
    assert rates[-1] > 0
    assert warnings == (["warmup_shortened"] if told and schedule != "constant" else [])


def test_the_result_is_written_in_the_types_of_its_base(
    engine: Engine, make_run: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    """And its scores are of what is written: a base in bfloat16 rounds the weights before they are scored."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    half = tmp_path / "half"
    AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).save_pretrained(half)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (half / name).write_bytes((model / name).read_bytes())
    run = make_run(base=half, method__technique="full", training__learning_rate=0.002, training__max_steps=4)
    assert engine.train(run) == 0
    weights = load_file(run / "result" / "model" / "model.safetensors")
    assert {one.dtype for one in weights.values()} == {torch.bfloat16}
    assert json.loads((run / "result" / "model" / "config.json").read_text())["dtype"] == "bfloat16"
    from test_engine_train import held_out_loss
    from transformers import AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(run / "result" / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(run / "result" / "model")
    rows = tiny.write_rows(tmp_path / "rows.jsonl", tiny.rows())
    again = held_out_loss(loaded, tokenizer, rows)
    assert again == pytest.approx(result_of(run)["after"]["loss"], rel=1e-5)


def test_updates_that_rounding_undoes_are_told(
    engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """The built-in model is stored in bfloat16, whose spacing is larger than a few small steps."""
    from tuiftune import assets

    held_out = tiny.write_rows(tmp_path / "held-out.jsonl", tiny.rows()[:16])
    values: dict[str, Any] = {
        "method__technique": "full",
        "data__eval": str(held_out),
        "training__max_steps": 3,
        "training__early_stopping": 0,
        "evaluation__score": "none",
        "evaluation__samples": 0,
        "run__save_every": 3,
    }
    small = make_run(base=assets.BASE, **values, training__learning_rate=1e-5)
    large = make_run(base=assets.BASE, **values, training__learning_rate=2e-3)
    exact = make_run(base=assets.BASE, **values, training__learning_rate=1e-5, method__result_dtype="float32")
    for job in [engine.start("train", run) for run in (small, large, exact)]:
        assert job.wait() == 0
    told = [event for event in tiny.events(small, "warning") if event["code"] == "rounded"]
    assert len(told) == 1
    assert "rounding the weights to bfloat16 undid" in told[0]["message"]
    assert "method.result_dtype to float32" in told[0]["remedy"]
    for run in (large, exact):
        assert not [event for event in tiny.events(run, "warning") if event["code"] == "rounded"]
    best = min(event["loss"] for event in tiny.events(exact, "eval") if event["when"] == "during")
    written = result_of(exact)["after"]["loss"]
    assert written == pytest.approx(best, abs=1e-6)
    assert weights.stored_dtype(exact / "result" / "model") == "float32"
    assert weights.stored_dtype(small / "result" / "model") == "bfloat16"
