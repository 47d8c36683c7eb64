"""One GPU, a copy on each, or one model over all: what the plan chooses, with its reasons and its memory."""

from __future__ import annotations

from typing import Any

import pytest
from test_make_plan import GIB, machine, plan

from tuiftune.errors import UserError
from tuiftune.figures import size
from tuiftune.models.resolve import resolve
from tuiftune.plan import memory, shard, sharing, static
from tuiftune.plan.settings import Settings
from tuiftune.preset.file import loads
from tuiftune.wizard.draft import Draft
from tuiftune.wizard.settings import settings_of

LARGE = "meta-llama/Llama-3.1-70B"


def reason(made: Any, key: str) -> Any:
    return next(one for one in made.reasons if one.key == key)


def test_gpus_share_a_model_only_where_no_copy_fits() -> None:
    """What a plan chose before there was a choice stays, whatever sharing would be worth."""
    one, copies = plan(gpu="H200"), plan(gpu="H200:4")
    assert one.resolved.hardware.parallel == "none"
    assert copies.resolved.hardware.parallel == "ddp"
    shared = plan(LARGE, gpu="H100:8", method__technique="lora")
    assert (shared.fits, shared.resolved.hardware.parallel) == (True, "fsdp")
    assert shared.resolved.hardware.processes == 8
    assert "a copy per GPU needs at least" in reason(shared, "hardware.parallel").why
    assert "(FSDP2), each with 2 of 16 rows" in reason(shared, "hardware.processes").why
    assert shared.resolved.training.optimizer == "adamw_torch_fused"
    assert shared.resolved.training.compile is False
    assert any("FSDP2 was measured on two GPUs only" in note for note in shared.notes)
    assert not plan(LARGE, gpu="H100:8", method__technique="lora", hardware__parallel="ddp").fits


def test_shards_go_to_ram_last() -> None:
    made = plan(LARGE, gpu="RTX 4090:2")
    assert (made.fits, made.resolved.hardware.parallel) == (True, "fsdp_offload")
    assert "kept in RAM between the steps" in reason(made, "hardware.parallel").why
    ram = shard.in_ram(resolve(LARGE).architecture, replaced(made, "fsdp_offload"))
    assert 260 * GIB < ram < 275 * GIB, "the 16-bit weights, whole and in shards; adapters with their states"
    assert any(f"{size(ram)} of RAM" in note for note in made.notes)
    shared = plan(LARGE, gpu="RTX A6000:8", training__activation_offloading=False)
    assert shared.resolved.hardware.parallel == "fsdp"
    assert shared.speed.tokens_per_second > 2 * made.speed.tokens_per_second


def replaced(made: Any, parallel: str) -> Settings:
    method, training = made.resolved.method, made.resolved.training
    return Settings(
        technique=method.technique,
        micro_batch=int(training.micro_batch),
        length=2048,
        rank=int(method.rank),
        copies=int(made.resolved.hardware.processes),
        shards=int(made.resolved.hardware.processes),
        offload=parallel == "fsdp_offload",
    )


@pytest.mark.parametrize("technique", ["full", "lora", "qlora"])
def test_a_gpu_holds_its_share_and_what_is_gathered(technique: str) -> None:
    arch = resolve("meta-llama/Llama-3.1-8B").architecture
    full = technique == "full"
    alone = Settings(
        technique=technique, micro_batch=1, length=1024, weight_bytes=4 if full else 2, autocast=full
    )
    held = static.components(arch, alone)
    found = [
        memory.estimate(arch, Settings(**{**fields(alone), "copies": n, "shards": n})) for n in (2, 4, 8)
    ]
    for one, shards in zip(found, (2, 4, 8), strict=True):
        assert one.components["optimizer"] == -(-held["optimizer"] // shards)
        gathered = one.components["weights"] - -(-held["weights"] // shards)
        layer = 16e9 / 32 if technique != "qlora" else 5e9 / 32
        assert 2 * 0.525e9 * 2 < gathered < 2 * 0.53e9 * 2 + 4 * layer, "head, embeddings, up to three layers"
    assert found[0].device > found[1].device > found[2].device
    loading = shard.while_loading(arch, alone)
    assert (loading > 0) == (technique == "qlora"), "quantized on each GPU before it is sharded"
    assert all(one.needs > loading for one in found)
    assert found[2].needs < memory.estimate(arch, alone).needs


@pytest.mark.parametrize(
    ("model", "values", "allocated", "reserved"),
    [
        ("meta-llama/Llama-3.2-3B", {"technique": "full", "micro_batch": 8}, 30006847488, 35383148544),
        (
            "meta-llama/Llama-3.1-8B",
            {"technique": "full", "micro_batch": 2, "checkpointing": 4, "accumulation": 4},
            90516153856,
            95481233408,
        ),
        (
            "meta-llama/Llama-3.1-70B",
            {"technique": "qlora", "micro_batch": 1, "checkpointing": False, "accumulation": 8},
            87470231040,
            92455043072,
        ),
    ],
    ids=["3B full", "8B full", "70B QLoRA"],
)
def test_shared_models_take_what_two_h200s_measured(
    model: str, values: dict[str, Any], allocated: int, reserved: int
) -> None:
    held = {"weight_bytes": 4, "autocast": True} if values["technique"] == "full" else {}
    settings = Settings(length=2048, copies=2, shards=2, **held, **values)
    found = memory.estimate(resolve(model).architecture, settings)
    assert found.allocated == pytest.approx(allocated, rel=0.05)
    assert found.reserved == pytest.approx(reserved, rel=0.05)
    assert found.needs > reserved


def fields(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


@pytest.mark.parametrize(
    ("values", "gpu", "says"),
    [
        ({}, "H100", r"hardware\.parallel: fsdp needs 2 or more processes"),
        ({"method__technique": "pissa"}, "H100:2", r"PiSSA cannot train a sharded model"),
        ({"method__technique": "dora"}, "H100:2", r"DoRA cannot train a sharded model"),
        ({"method__stage": "dpo"}, "H100:2", r"cannot train a sharded model .*Use ddp"),
        ({"model__quantization": "fp8"}, "H100:2", r"over FP8 cannot train a sharded model"),
        ({"training__optimizer": "adamw_8bit"}, "H100:2", r"training\.optimizer: adamw_8bit cannot update"),
        ({"training__compile": True}, "H100:2", r"training\.compile: a sharded model is not compiled"),
        ({"model__dtype": "float16"}, "H100:2", r"model\.dtype: float16 cannot train a sharded model"),
        ({"method__modules_to_save": ["lm_head"]}, "H100:2", r"method\.modules_to_save"),
        ({"hardware__parallel": "fsdp_offload", "hardware__processes": 2}, None, r"no GPU from which"),
        ({"hardware__parallel": "none", "hardware__gpus": 2}, "H100:2", r"without sharing the work"),
    ],
)
def test_what_cannot_be_shared_is_refused_in_a_line(
    values: dict[str, Any], gpu: str | None, says: str
) -> None:
    technique = {"method__technique": "lora", "hardware__parallel": "fsdp"}
    with pytest.raises(UserError, match=says):
        plan(gpu=gpu, **{**technique, **values})


ZERO: dict[str, Any] = {"method__technique": "full", "hardware__parallel": "zero2"}


def test_zero2_divides_gradients_and_states_but_no_weights() -> None:
    """Asked for only. One of its parts is a copy of the weights that a process updates."""
    copies = plan(gpu="H200:4", **{**ZERO, "hardware__parallel": "ddp"})
    made = plan(gpu="H200:4", **ZERO)
    assert made.resolved.hardware.parallel == "zero2"
    assert "(ZeRO-2), each with 4 of 16 rows" in reason(made, "hardware.processes").why
    assert "holds all weights" in reason(made, "hardware.parallel").why
    assert made.memory.components["weights"] == copies.memory.components["weights"]
    trained = copies.memory.components["weights"]
    assert made.memory.components["optimizer"] == pytest.approx(0.75 * trained, rel=0.01)
    assert made.resolved.training.optimizer == "adamw_torch_fused"
    assert made.resolved.training.compile is False
    assert any("ZeRO-2 was tested on CPUs only" in note for note in made.notes)
    arch = resolve("meta-llama/Llama-3.1-8B").architecture
    whole = Settings(technique="full", micro_batch=1, length=1024, weight_bytes=4, autocast=True)
    found = [
        memory.estimate(arch, Settings(**{**fields(whole), "copies": n, "divided": n})) for n in (2, 4, 8)
    ]
    assert memory.estimate(arch, whole).needs > found[0].needs > found[1].needs > found[2].needs
    shards = memory.estimate(arch, Settings(**{**fields(whole), "copies": 8, "shards": 8}))
    assert found[2].needs > shards.needs, "the weights are on every GPU"


@pytest.mark.parametrize(
    ("values", "gpu", "says"),
    [
        ({}, "H100", r"zero2 needs 2 or more processes"),
        ({"method__technique": "lora"}, "H100:2", r"LoRA has few gradients to divide.*Use ddp or fsdp"),
        ({"training__optimizer": "adamw_8bit"}, "H100:2", r"training\.optimizer: adamw_8bit cannot update"),
        ({"training__compile": True}, "H100:2", r"training\.compile"),
        ({"model__dtype": "float16"}, "H100:2", r"model\.dtype: float16"),
        ({"method__stage": "dpo"}, "H100:2", r"hardware\.parallel"),
        (
            {"hardware__processes": 2},
            None,
            r"needs DeepSpeed, .*'tuiftune\[deepspeed\]'",
        ),
    ],
)
def test_what_zero2_cannot_train_is_refused_in_a_line(
    values: dict[str, Any], gpu: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "DEEPSPEED", "deepspeed_not_there")
    with pytest.raises(UserError, match=says):
        plan(gpu=gpu, **{**ZERO, **values})


def test_long_rows_on_several_gpus_say_what_context_parallelism_would_save() -> None:
    def noted(length: int = 131_072, **values: Any) -> list[str]:
        made = plan(facts=None, data__max_length=length, **values)
        parts = made.memory.components
        kept = size(parts["activations kept"] + parts["activations peak"])
        found = [note for note in made.notes if "Context parallelism" in note]
        assert not found or f"one row take {kept} on each GPU" in found[0]
        return found

    (said,) = noted(gpu="H200:4")
    assert "would divide them by 4; PyTorch's own is a prototype, so it is not offered." in said
    assert noted(gpu="H200") == []
    assert noted(512, gpu="H200:4") == []


@pytest.mark.parametrize(
    ("installed", "given", "offered"),
    [
        (True, {"overrides": {"method.technique": "full"}}, True),
        (True, {}, True),
        (True, {"overrides": {"method.technique": "lora"}}, False),
        (False, {"overrides": {"method.technique": "full"}}, False),
        (False, {"gpu": "H100:2", "overrides": {"method.technique": "full"}}, True),
        (False, {"overrides": {"hardware.parallel": "zero2"}}, True),
    ],
)
def test_zero2_is_a_choice_where_it_can_run(
    installed: bool, given: dict[str, Any], offered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "DEEPSPEED", "json" if installed else "deepspeed_not_there")
    (parallel,) = [one for one in settings_of(Draft(**given)) if one.key == "hardware.parallel"]
    assert ("zero2" in parallel.choices) is offered


def test_processes_on_a_cpu_share_a_model_on_request() -> None:
    asked = {"hardware__processes": 2, "hardware__parallel": "fsdp"}
    made = plan("Qwen/Qwen2.5-0.5B", gpu=None, **asked)
    copies = plan("Qwen/Qwen2.5-0.5B", gpu=None, hardware__processes=2)
    assert copies.resolved.hardware.parallel == "ddp"
    assert made.memory.components["weights"] < copies.memory.components["weights"]
    assert machine().gpus == ()


@pytest.mark.parametrize("value", ["zero3", "ZeRO-3", "deepspeed"])
def test_the_rest_of_deepspeed_is_refused_by_name(value: str) -> None:
    text = f"model: {{base: acme/llama}}\ndata: {{train: rows.jsonl}}\nhardware: {{parallel: {value}}}\n"
    with pytest.raises(UserError, match=rf"is {value}: of DeepSpeed's ZeRO only zero2 .*[Uu]se fsdp"):
        loads(text, "preset.yaml")
