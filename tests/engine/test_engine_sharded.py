"""Processes that share one model (FSDP2, on a CPU mesh) are the run of one: losses, checkpoints, result."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import tiny

from tuiftune.errors import UserError
from tuiftune.runs.state.liveness import status
from tuiftune.runs.store import control
from tuiftune.runs.store.amend import change
from tuiftune.runs.store.directory import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine, Job

STEPS = 10
ALONE: dict[str, Any] = {"training__micro_batch": 4, "training__max_steps": STEPS}
PAIR: dict[str, Any] = {
    "hardware__processes": 2,
    "hardware__parallel": "fsdp",
    "training__micro_batch": 2,
    "training__max_steps": STEPS,
}
FOUR = {**PAIR, "hardware__processes": 4, "training__micro_batch": 1}
TECHNIQUES: dict[str, dict[str, Any]] = {
    "lora": {},
    "full": {"method__technique": "full", "training__learning_rate": 0.0005},
    "rslora": {"method__technique": "rslora"},
    "loraplus": {"method__technique": "loraplus"},
}
RESUMED = ("lora", "full")
INJECT = {"module": "benchmarks.faults.inject"}
LOGITS = """
import sys, torch
from transformers import AutoModelForCausalLM
from peft import PeftModel
load = lambda path, **more: AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, **more)
base, results = sys.argv[1], sys.argv[2:]
found = []
for result in results:
    if base:
        model = PeftModel.from_pretrained(load(base), result)
    else:
        model, told = load(result, output_loading_info=True)
        assert not any(told.values()), told
    model.eval()
    with torch.no_grad():
        found.append(model(input_ids=torch.arange(5, 45)[None]).logits)
print(float((found[0] - found[1]).abs().max() / found[0].abs().max()))
"""


def losses(run: Path) -> dict[int, float]:
    """The loss of each step; where a step ran twice, of its last time."""
    return {event["step"]: event["loss"] for event in tiny.events(run, "step")}


def norms(run: Path) -> dict[int, float]:
    return {event["step"]: event["grad_norm"] for event in tiny.events(run, "step")}


def result(run: Path) -> dict[str, Any]:
    document = json.loads((run / "result" / "result.json").read_text())
    assert isinstance(document, dict)
    return document


def files(run: Path) -> dict[str, str]:
    """Hashes of the weights of the result."""
    found = sorted((run / "result" / "model").glob("*.safetensors"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def second_of(job: Job) -> psutil.Process:
    (second,) = psutil.Process(job.pid).children()
    return second


def farthest(*runs: Path, base: Path | None) -> float:
    """How far the logits of the results are apart, in plain transformers and PEFT: a share of the largest."""
    results = [str(run / "result" / "model") for run in runs]
    command = [sys.executable, "-c", LOGITS, str(base or ""), *results]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def is_the_run_of_one(alone: Path, shared: Path, processes: int) -> None:
    """Losses, gradient norms, tokens and scores are the same but for rounding; the parameters are shared."""
    assert losses(shared) == pytest.approx(losses(alone), rel=1e-5)
    assert norms(shared) == pytest.approx(norms(alone), rel=1e-4), "clipped by the norm of all shards"
    for kind, key in (("step", "tokens"), ("step", "lr"), ("eval", "step"), ("score", "rows")):
        assert [e[key] for e in tiny.events(shared, kind)] == [e[key] for e in tiny.events(alone, kind)]
    (shards,) = tiny.events(shared, "shards")
    held = shards["parameter_bytes"]
    assert len(held) == processes
    assert sum(held) == 4 * tiny.events(shared, "start")[0]["parameters"] + 4 * adapters(shared)
    assert max(held) <= 1.02 * sum(held) / processes, "each holds its share, and no more"
    for when in ("before", "after"):
        assert result(shared)[when]["loss"] == pytest.approx(result(alone)[when]["loss"], rel=1e-4)
    assert result(shared)["trainable"] == result(alone)["trainable"]
    assert sorted(path.name for path in (shared / "result" / "model").iterdir()) == sorted(
        path.name for path in (alone / "result" / "model").iterdir()
    )


def adapters(run: Path) -> int:
    start = tiny.events(run, "start")[0]
    return 0 if start["technique"] == "full" else int(start["trainable"])


def test_two_that_share_a_model_are_the_run_of_one(engine: Engine, make_run: Callable[..., Path]) -> None:
    alone, shared = make_run(**ALONE), make_run(**PAIR)
    assert engine.train(alone) == 0
    assert engine.run("train", shared) == (0, "")
    is_the_run_of_one(alone, shared, 2)
    saved = shared / "checkpoints" / f"checkpoint-{STEPS}"
    listed = json.loads((saved / "manifest.json").read_text())["files"]
    assert {"sharded/.metadata", "sharded/__0_0.distcp", "sharded/__1_0.distcp"} <= set(listed)
    sizes = [listed[f"sharded/__{rank}_0.distcp"]["size"] for rank in (0, 1)]
    assert max(sizes) < 0.6 * sum(sizes), "each writes its own part"


@pytest.mark.parametrize("rows", [17, 1])
def test_shares_of_the_evaluation_rows_may_be_uneven(
    rows: int, engine: Engine, make_run: Callable[..., Path]
) -> None:
    """Five batches and four, one and none: both make the same calls all the same."""
    more = {"training__max_steps": 2, "data__eval": rows / 80}
    alone, shared = make_run(**(ALONE | more)), make_run(**(PAIR | more))
    assert engine.train(alone) == engine.train(shared) == 0
    evals = [[event["loss"] for event in tiny.events(run, "eval")] for run in (alone, shared)]
    assert evals[1] == pytest.approx(evals[0], rel=1e-4)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_the_result_loads_in_plain_transformers(
    technique: str, engine: Engine, make_run: Callable[..., Path], model: Path
) -> None:
    more = TECHNIQUES[technique]
    alone, shared, four = make_run(**ALONE, **more), make_run(**PAIR, **more), make_run(**FOUR, **more)
    for run in (alone, shared, four):
        assert engine.run("train", run) == (0, "")
    is_the_run_of_one(alone, shared, 2)
    is_the_run_of_one(alone, four, 4)
    base = None if technique == "full" else model
    assert farthest(alone, shared, base=base) < 1e-3
    assert farthest(alone, four, base=base) < 1e-3
    config = json.loads((shared / "result" / "model" / "config.json").read_text()) if base is None else {}
    assert config.get("architectures", ["LlamaForCausalLM"]) == ["LlamaForCausalLM"]
    code, said = engine.run("score", shared)
    assert code == 0, said
    again = json.loads(said.splitlines()[-1])
    assert again["after"]["loss"] == pytest.approx(result(shared)["after"]["loss"], rel=1e-4)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("technique", RESUMED)
def test_stopped_and_killed_they_resume_to_the_bit(
    technique: str, engine: Engine, make_run: Callable[..., Path]
) -> None:
    changes = {**PAIR, **TECHNIQUES[technique], "training__max_steps": 24, "run__save_every": 5}
    if technique == "lora":
        changes["method__dropout"] = 0.1
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0

    job = engine.start("train", broken)
    job.wait_for_step(broken, 2)
    control.request_stop(RunDir.open(broken), "a test")
    assert job.wait() == 4
    assert tiny.events(broken, "end")[-1]["state"] == "stopped"
    control.clear(RunDir.open(broken))
    stopped_at = max(losses(broken))

    job = engine.start("train", broken, "--resume")
    job.wait_for_step(broken, stopped_at + 2)
    os.kill(second_of(job).pid, signal.SIGKILL)
    assert job.wait() == 1
    assert status(RunDir.open(broken)) == "died"
    assert "process 2 of 2 was terminated by SIGKILL" in tiny.events(broken, "warning")[-1]["message"]

    job = engine.start("train", broken, "--resume")
    job.wait_for_step(broken, stopped_at + 4)
    job.send(signal.SIGTERM)
    assert job.wait() == 4
    assert tiny.events(broken, "end")[-1]["state"] == "preempted"

    assert engine.run("train", broken, "--resume") == (0, "")
    assert losses(broken) == losses(whole)
    assert files(broken) == files(whole)
    for key in ("before", "after", "best_step", "steps", "tokens", "samples"):
        assert result(broken)[key] == result(whole)[key], key


@pytest.mark.long
@pytest.mark.parametrize("technique", RESUMED)
def test_products_in_16_bit_are_those_of_one_process_but_for_rounding(
    technique: str, engine: Engine, make_run: Callable[..., Path]
) -> None:
    """Parameters held as without sharding, gathered in bfloat16 in place of autocast."""
    half = {**TECHNIQUES[technique], "model__dtype": "bfloat16"}
    alone, shared = make_run(**ALONE, **half), make_run(**PAIR, **half)
    assert engine.run("train", alone) == engine.run("train", shared) == (0, "")
    assert losses(shared) == pytest.approx(losses(alone), rel=0.02)
    (shards,) = tiny.events(shared, "shards")
    start = tiny.events(shared, "start")[0]
    held = 4 * start["parameters"] if technique == "full" else 2 * start["parameters"] + 4 * adapters(shared)
    assert sum(shards["parameter_bytes"]) == held


@pytest.mark.long
def test_another_number_of_processes_goes_on_by_choice(engine: Engine, make_run: Callable[..., Path]) -> None:
    """The parts are cut anew; without the choice it is refused, and nothing is lost."""
    two, four = make_run(**PAIR, run__save_every=4), make_run(**FOUR, run__save_every=4)
    assert engine.train(two) == 0
    job = engine.start("train", four)
    job.wait_for_step(four, 5)
    job.send(signal.SIGTERM)
    assert job.wait() == 4
    run = RunDir.open(four)

    kept = run.plan_path.read_text()
    plan = json.loads(kept)
    plan["resolved"]["hardware"]["processes"] = 2
    run.plan_path.write_text(json.dumps(plan))
    assert engine.train(four, "--resume") == 2
    assert "processes was 4, is 2" in tiny.events(four, "end")[-1]["why"]
    run.plan_path.write_text(kept)

    with pytest.raises(UserError, match=r"8 rows per step cannot be divided among 3 processes"):
        change(run, ["hardware.processes=3"])
    with pytest.raises(UserError, match=r"one process cannot read the checkpoints of a sharded model"):
        change(run, ["hardware.processes=1"])
    change(run, ["hardware.processes=2"])
    assert engine.run("train", four, "--resume") == (0, "")
    (warned,) = [event for event in tiny.events(four, "warning") if event["code"] == "processes_changed"]
    assert "continues with 2 processes instead of 4" in warned["message"]
    assert [start["processes"] for start in tiny.events(four, "start")] == [4, 2]
    assert losses(four) == pytest.approx(losses(two), rel=1e-4)
    assert result(four)["after"]["loss"] == pytest.approx(result(two)["after"]["loss"], rel=1e-4)


@pytest.mark.long
def test_what_one_of_them_meets_ends_all(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(**PAIR, run__save_every=1, data__eval=0.0, evaluation__rows=0)
    job = engine.start("train", run, fault={**INJECT, "kind": "loss inf", "step": 3, "rank": 1})
    assert job.wait() == 5
    (end,) = tiny.events(run, "end")
    assert end["state"] == "nan"
    assert end["why"].startswith("the loss of process 2 of 2 is NaN or infinite at step 3;")
    assert "\n" not in end["why"]
    assert not (run / "checkpoints" / "checkpoint-3").exists()


@pytest.mark.long
def test_a_disk_that_is_full_for_one_of_them_is_for_all(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    whole, broken = make_run(**PAIR, run__save_every=4), make_run(**PAIR, run__save_every=4)
    assert engine.train(whole) == 0
    fault = {**INJECT, "kind": "full at a file", "within": "__1_0.distcp", "number": 1, "rank": 1}
    assert engine.start("train", broken, fault=fault).wait() == 7
    (end,) = tiny.events(broken, "end")
    assert end["state"] == "disk"
    assert "\n" not in end["why"]
    assert [path.name for path in (broken / "checkpoints").iterdir()] == [], "only the partial one is gone"
    assert engine.run("train", broken, "--resume") == (0, "")
    assert losses(broken) == losses(whole)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_memory_that_one_of_them_lacks_halves_both(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {**PAIR, "training__micro_batch": 4, "run__save_every": 2, "training__max_steps": 6}
    whole, broken = make_run(**changes), make_run(**changes)
    assert engine.train(whole) == 0
    job = engine.start("train", broken, fault={**INJECT, "kind": "oom", "step": 3, "rank": 1})
    assert job.wait(240) == 0
    assert [event["code"] for event in tiny.events(broken, "warning")] == ["micro_batch_halved"]
    assert losses(broken) == pytest.approx(losses(whole), rel=1e-4)


@pytest.mark.long
def test_the_preflight_check_leaves_nothing(engine: Engine, make_run: Callable[..., Path]) -> None:
    plain, checked = make_run(**PAIR), make_run(**PAIR, plan={"preflight": True})
    assert engine.run("train", plain) == engine.run("train", checked) == (0, "")
    assert losses(checked) == losses(plain)
    assert files(checked) == files(plain)


@pytest.mark.long
def test_a_model_that_no_device_holds_whole_answers_the_same(
    engine: Engine, make_run: Callable[..., Path]
) -> None:
    """Where one lacks the room, all gather a layer at a time and write every answer together."""
    roomy, tight = make_run(**PAIR), make_run(**PAIR)
    assert engine.run("train", roomy) == (0, "")
    assert engine.start("train", tight, fault={"module": "hindered", "has_no_room": True}).wait() == 0
    assert losses(tight) == losses(roomy)
    for key in ("before", "after", "samples"):
        assert result(tight)[key] == result(roomy)[key], key
    texts = [(run / "samples.jsonl").read_text() for run in (tight, roomy)]
    answers = [[json.loads(line).get("answers") for line in text.splitlines()] for text in texts]
    assert answers[0] == answers[1]


SHARE = """
import json, sys, torch
import torch.distributed as dist
from peft import LoraConfig, get_peft_model
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import AutoConfig, AutoModelForCausalLM
from tuiftune.engine.distributed import sharding
from tuiftune.engine.training.optimizations import decoder_layers
from tuiftune.models import catalogue
fields = dict(catalogue.find(sys.argv[1]).config)
size, adapted = int(sys.argv[2]), sys.argv[3] == "lora"
dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=size)
with torch.device("meta"):
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if adapted else torch.float32)
    if adapted:
        model = get_peft_model(model, LoraConfig(r=16, target_modules="all-linear"))
        for one in model.parameters():
            if one.requires_grad:
                one.data = one.data.float()
core = sharding._core(model)
mesh = init_device_mesh("cpu", (size,))
for unit in (*decoder_layers(core), core):
    fully_shard(unit, mesh=mesh)
trained = sum(4 * sharding.local(one).numel() for one in model.parameters() if one.requires_grad)
print(json.dumps([sharding.held_bytes(model), trained]))
"""


@pytest.mark.long
@pytest.mark.parametrize("technique", RESUMED)
@pytest.mark.parametrize(("shape", "size"), [("meta-llama/Llama-3.1-8B", 8), ("meta-llama/Llama-3.2-3B", 2)])
def test_the_plan_knows_the_share_of_a_large_model(shape: str, size: int, technique: str) -> None:
    """Counted without its weights: what `fully_shard` gives the first of so many processes."""
    from tuiftune.models.resolve import resolve
    from tuiftune.plan import static
    from tuiftune.plan.settings import Settings

    command = [sys.executable, "-c", SHARE, shape, str(size), technique]
    held, trained = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    full = technique == "full"
    settings = Settings(technique, 1, 1024, rank=16, weight_bytes=4 if full else 2, autocast=full)
    whole = static.components(resolve(shape).architecture, settings)
    assert held == pytest.approx((whole["weights"] + whole["adapters"]) / size, rel=2e-3)
    assert trained == pytest.approx(whole["gradients"] / size, rel=2e-3)
    assert 2 * trained == pytest.approx(whole["optimizer"] / size, rel=2e-3)
