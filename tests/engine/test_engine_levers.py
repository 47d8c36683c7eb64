"""Every lever changes memory or speed, never the numbers: the same loss over 30 steps from the same seed."""

from __future__ import annotations

import shutil
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import tiny

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Engine

STEPS = 30
QUIET = {"training__max_steps": STEPS, "run__save_every": STEPS, "data__eval": 0.0, "evaluation__rows": 0}


def losses(run: Path) -> list[float]:
    return [event["loss"] for event in tiny.events(run, "step")]


@pytest.fixture(scope="session")
def plain(engine: Engine, model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of the run that uses no lever."""
    run = tiny.make_run(tmp_path_factory.mktemp("plain"), "plain", tiny.resolved(model, data, **QUIET))
    assert engine.train(run) == 0
    return losses(run)


@pytest.mark.parametrize(
    ("changes", "tolerance"),
    [
        ({"training__activation_checkpointing": True}, 1e-5),
        ({"training__activation_checkpointing": 2}, 1e-5),
        ({"training__micro_batch": 8, "training__optimizer": "adamw_torch_fused"}, 1e-3),
        ({"data__padding_free": True}, 1e-3),
        ({"data__padding_free": True, "training__activation_checkpointing": True}, 1e-3),
    ],
    ids=[
        "checkpointing",
        "every second layer",
        "micro batch and fused optimizer",
        "padding-free",
        "padding-free and checkpointing",
    ],
)
def test_levers_keep_the_loss(
    changes: dict[str, Any],
    tolerance: float,
    plain: list[float],
    engine: Engine,
    make_run: Callable[..., Path],
) -> None:
    run = make_run(**QUIET, **changes)
    assert engine.train(run) == 0
    assert len(losses(run)) == STEPS
    assert losses(run) == pytest.approx(plain, rel=tolerance)


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for the CPU needs a C++ compiler")
def test_compiled_layers_keep_the_loss(
    plain: list[float], engine: Engine, make_run: Callable[..., Path]
) -> None:
    """Together with checkpointing, which wraps the compiled part or is wrapped by it."""
    run = make_run(**QUIET, training__compile=True, training__activation_checkpointing=True)
    assert engine.start("train", run).wait(170) == 0
    assert losses(run) == pytest.approx(plain, rel=1e-3)


def test_adapters_in_bfloat16_stay_close(
    plain: list[float], engine: Engine, make_run: Callable[..., Path]
) -> None:
    run = make_run(**QUIET, model__dtype="bfloat16", method__adapter_dtype="bfloat16")
    assert engine.train(run) == 0
    assert losses(run) == pytest.approx(plain, rel=0.1, abs=0.1)
    from safetensors.torch import load_file

    weights = load_file(run / "result" / "model" / "adapter_model.safetensors")
    assert {str(weight.dtype) for weight in weights.values()} == {"torch.bfloat16"}


@pytest.mark.parametrize("adapted", [False, True])
def test_what_trl_turns_off_to_generate_comes_back_as_planned(model: Path, adapted: bool) -> None:
    """Every second layer: TRL's own way back is all of them, which costs time that the plan doesn't know."""
    from accelerate import Accelerator
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from trl.models import unwrap_model_for_generation
    from trl.models.utils import disable_gradient_checkpointing

    from tuiftune.engine.training import optimizations

    loaded: Any = AutoModelForCausalLM.from_pretrained(model)
    if adapted:
        loaded = get_peft_model(loaded, LoraConfig(target_modules="all-linear"))

    def recomputed() -> list[bool]:
        return [layer.gradient_checkpointing for layer in optimizations.decoder_layers(loaded)]

    layers = len(recomputed())
    optimizations.checkpoint_activations(loaded, 2)
    planned = recomputed()
    assert planned == [index % 2 == 0 for index in range(layers)]
    with unwrap_model_for_generation(loaded, Accelerator(cpu=True)):
        assert not any(recomputed())
    assert recomputed() == planned
    with disable_gradient_checkpointing(loaded):
        assert not any(recomputed())
    assert recomputed() == planned


def test_packed_rows_do_not_see_each_other(model: Path, data: Path) -> None:
    """Loss of rows packed into one sequence, by TRL's packing and collator, against each row alone."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import pack_dataset
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    rows = [
        {"input_ids": [3, *range(20 + n, 40 + 2 * n)], "labels": [-100, *range(20 + n, 40 + 2 * n)]}
        for n in range(5)
    ]
    packed = pack_dataset(Dataset.from_list(rows), 128, "bfd")
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="sdpa").eval()

    def total(batch: dict[str, Any]) -> tuple[float, int]:
        labels = batch.pop("labels")
        with torch.no_grad():
            scores = base(**batch, use_cache=False).logits[:, :-1].log_softmax(-1)
        kept = labels[:, 1:] != -100
        picked = scores.gather(-1, labels[:, 1:].clamp(min=0)[..., None])[..., 0]
        return -float(picked[kept].sum()), int(kept.sum())

    together = total(DataCollatorForLanguageModeling(0, padding_free=True)(list(packed)))
    alone = [total(DataCollatorForLanguageModeling(0)([row])) for row in rows]
    assert together[1] == sum(count for _, count in alone)
    assert together[0] == pytest.approx(sum(loss for loss, _ in alone), rel=1e-5)


def test_packing_trains_on_every_token(engine: Engine, make_run: Callable[..., Path]) -> None:
    changes = {"training__epochs": 2, "training__max_steps": None, "run__save_every": 100}
    padded, packed = make_run(**changes), make_run(**changes, data__packing=True, training__effective_batch=4)
    assert engine.train(padded) == engine.train(packed) == 0
    tokens = [tiny.events(run, "step")[-1]["tokens"] for run in (padded, packed)]
    assert tokens[0] == tokens[1]
    before = [tiny.events(run, "eval")[0]["loss"] for run in (padded, packed)]
    assert before[0] == pytest.approx(before[1], rel=1e-5)
    assert tiny.events(packed, "start")[0]["total_steps"] < tiny.events(padded, "start")[0]["total_steps"]


def test_kernels_that_are_not_installed_are_refused(engine: Engine, make_run: Callable[..., Path]) -> None:
    run = make_run(training__kernels="liger")
    assert engine.train(run) == 2
    assert "Liger" in tiny.events(run, "end")[0]["why"]


@pytest.mark.parametrize("technique", ["lora", "full"])
def test_no_step_walks_the_model(
    technique: str, engine: Engine, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    """An 8B model has 2,700 modules with adapters: a GPU waits longer for a walk than for what it is for."""
    steps, seen = 6, tmp_path / "walks"
    run = make_run(**QUIET | {"training__max_steps": steps, "method__technique": technique})
    fault = {"module": "hindered", "counts_walks": str(seen)}
    assert engine.start("train", run, fault=fault).wait() == 0
    counts = [int(line) for line in seen.read_text().split()]
    assert len(counts) >= steps
    assert counts[0] > 0
    first, *others = [after - before for before, after in pairwise(counts)]
    assert sum(others) <= 1, (
        f"once all gradients are asked whether they are sharded; {first} in the first step"
    )
