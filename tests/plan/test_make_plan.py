"""Presets resolved on machines: what fits, what is chosen and why, what bad input is told."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tuiftune.data.facts import DataFacts
from tuiftune.errors import UserError
from tuiftune.hardware.machine import Gpu, Host, Machine, Session
from tuiftune.models.resolve import resolve
from tuiftune.plan import attempt, search, static
from tuiftune.plan.bar import cells, segments
from tuiftune.plan.device import device_of
from tuiftune.plan.document import document
from tuiftune.plan.padding import lengths_of
from tuiftune.plan.resolve import make_plan
from tuiftune.plan.settings import Settings
from tuiftune.preset.schema import Preset

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.plan.model import Plan

GIB = 1 << 30
FACTS = DataFacts(10_000, 500, 400.0, 3000, tuple(range(100, 3101, 150)), "counted", "chat")


def machine(*gpus: Gpu, memory: int = 24 * GIB) -> Machine:
    host = Host("here", "Linux", "3.11", "a processor", 2, memory, memory - 2 * GIB)
    return Machine(
        gpus, None, None, None if gpus else "no driver", host, (), Session(False, None, None, "xterm")
    )


def plan(
    base: str = "meta-llama/Llama-3.1-8B", gpu: str | None = "H200", facts: Any = FACTS, **values: Any
) -> Plan:
    preset = Preset.model_validate({"model": {"base": base}, "data": {"train": "x.jsonl"}})
    keys = {key.replace("__", "."): value for key, value in values.items()}
    preset = preset.with_values(keys)
    return make_plan(preset, machine(), resolve(preset.model.base), facts, gpu=gpu)


def autos(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}.{rest}" for key, item in value.items() for rest in autos(item)]
    return [""] if value == "auto" else []


@pytest.mark.parametrize("gpu", ["H200", "RTX 4090", None])
def test_every_auto_is_replaced_and_has_a_reason(gpu: str | None) -> None:
    made = plan("Qwen/Qwen2.5-0.5B", gpu=gpu)
    assert autos(made.resolved.model_dump(mode="json")) == []
    for reason in made.reasons:
        assert reason.why
        assert reason.source
        node: Any = made.resolved.model_dump(mode="json")
        for part in reason.key.split("."):
            node = node[part]
        assert node == reason.value


def test_lora_before_qlora_where_both_fit() -> None:
    assert plan(gpu="H200").resolved.method.technique == "lora"
    assert plan(gpu="RTX 4090").resolved.method.technique == "lora"
    small = plan(gpu="GeForce RTX 3060")
    assert small.resolved.method.technique == "qlora"
    assert small.fits
    assert any(r.key == "method.technique" and "LoRA needs at least" in r.why for r in small.reasons)


def test_a_large_vocabulary_at_a_frozen_head_takes_no_more_of_a_cpu_than_trls_tiles() -> None:
    """262,208 tokens: logits of 512 of them at once, and their copies, would not fit next to 4B."""
    assert plan("google/gemma-3-4b-it", gpu=None).fits


@pytest.mark.parametrize(
    ("base", "saved", "trained"),
    [
        ("meta-llama/Llama-3.1-8B", ["lm_head"], True),
        ("meta-llama/Llama-3.1-8B", ["embeddings"], False),
        ("google/gemma-3-4b-it", ["embeddings"], True),
        ("google/gemma-3-4b-it", [], False),
    ],
)
def test_embeddings_are_the_head_where_they_are_tied(base: str, saved: list[str], trained: bool) -> None:
    """Over a head that is not trained, the gradient is computed along with the loss."""
    preset = Preset.model_validate({"model": {"base": base}, "data": {"train": "x.jsonl"}})
    preset = preset.with_values({"method.technique": "lora", "method.modules_to_save": saved})
    assert attempt.head_saved(preset, resolve(base).architecture) is trained


def test_a_frozen_heads_logits_are_planned_whatever_else_is_saved() -> None:
    short = {"data__max_length": 64, "training__micro_batch": 1, "facts": None, "training__max_steps": 9}
    only, saved = (
        plan(**short, method__technique="lora", method__modules_to_save=names).memory.components[
            "head and loss"
        ]
        for names in ([], ["embeddings"])
    )
    assert saved >= only


def test_spare_memory_is_spent_on_speed() -> None:
    roomy = plan(training__max_steps=2000, facts=None, training__effective_batch=4)
    tight = plan(
        training__max_steps=2000, facts=None, training__effective_batch=4, hardware__memory_limit="24GiB"
    )
    assert roomy.resolved.training.activation_checkpointing is False
    assert tight.resolved.training.activation_checkpointing is not False
    assert tight.memory.needs <= 24 * GIB
    assert (roomy.speed.tokens_per_second or 0) > 1.2 * (tight.speed.tokens_per_second or 0)


PACKED: dict[str, Any] = {
    "facts": DataFacts(2000, 0, 2048.0, 2048, (2048,) * 21, "counted", "text"),
    "training__effective_batch": 4,
    "training__max_steps": 25,
    "data__max_length": 2048,
    "training__compile": True,
    "training__kernels": "none",
}
FP8 = {"method__technique": "lora", "model__quantization": "fp8"}

OFFLOADED = {"training__activation_offloading": True}
IN_FP8 = {"method__technique": "qlora", "training__fp8_compute": True}


LORA = {"method__technique": "lora"}


@pytest.mark.parametrize(
    ("sets", "rows", "recomputed", "measured"),
    [
        (LORA, 4, False, (16_190, 16_254, 16_384, 16_483)),
        (LORA, 2, False, (15_724,)),
        (LORA, 2, True, (11_222,)),
        (IN_FP8, 4, False, (21_389,)),
        (IN_FP8 | OFFLOADED, 4, True, (15_114,)),
        (FP8, 4, False, (21_845, 21_962, 22_081, 22_141, 22_322)),
        (FP8, 4, True, (15_663, 15_907)),
    ],
)
def test_speed_is_predicted_as_it_was_measured(
    sets: dict[str, Any], rows: int, recomputed: bool | int, measured: tuple[int, ...]
) -> None:
    """8B shape, 4 rows of 2,048 tokens a step, on H200s (`benchmarks/speed`, n to s)."""
    for one in measured:
        assert predicted(sets, rows, recomputed) == pytest.approx(one, rel=0.05)


@pytest.mark.parametrize(
    ("sets", "rows", "recomputed", "measured"),
    [
        (LORA, 1, 2, (10_089,)),
        (FP8, 2, False, (19_412,)),
        (FP8, 2, 2, (15_545,)),
        (FP8, 2, True, (13_653,)),
        (FP8 | OFFLOADED, 2, True, (12_962, 15_815)),
        (IN_FP8 | OFFLOADED, 2, True, (12_263,)),
    ],
)
def test_where_the_host_decides_the_slower_one_is_predicted(
    sets: dict[str, Any], rows: int, recomputed: bool | int, measured: tuple[int, ...]
) -> None:
    """A GPU waits for its host to launch the work of few rows, and hosts differ."""
    for one in measured:
        assert 0.8 * one < predicted(sets, rows, recomputed) < 1.05 * one


def predicted(sets: dict[str, Any], rows: int, recomputed: bool | int) -> float:
    memory = {"training__micro_batch": rows, "training__activation_checkpointing": recomputed}
    return plan(**PACKED | {"training__activation_offloading": False} | sets | memory).speed.tokens_per_second


@pytest.mark.parametrize(
    ("sets", "rows"),
    [
        (LORA, 4),
        (FP8, 4),
        (FP8 | {"hardware__memory_limit": "17.95GiB"}, 4),
        (LORA | {"hardware__memory_limit": "24GiB"}, 2),
    ],
)
def test_no_plan_is_taken_that_only_a_quick_host_makes_fast(sets: dict[str, Any], rows: int) -> None:
    """On a slow one FP8 made 19,412 tokens/s with 2 rows at a time, and 21,845 with 4."""
    left = {key: value for key, value in PACKED.items() if key != "training__compile"}
    assert plan(**left | sets).resolved.training.micro_batch == rows


@pytest.mark.parametrize(
    ("gpu", "sets", "place", "says"),
    [
        (
            "H200:2",
            IN_FP8 | {"hardware__parallel": "fsdp"},
            "training.fp8_compute",
            "a whole copy of the model",
        ),
        ("H200", IN_FP8 | {"method__stage": "orpo"}, "training.fp8_compute", "not for odds ratio"),
        ("H200", {"training__fp8_compute": True}, "training.fp8_compute", "set method.technique: qlora"),
        (None, {"training__fp8_compute": True}, "training.fp8_compute", r"this is \S+. Use auto\.$"),
        (
            "H200",
            {"training__kernels": "liger", "training__compile": True},
            "training.compile",
            "Liger kernels replace the same code",
        ),
    ],
)
def test_what_cannot_be_computed_in_fp8_or_together_is_refused(
    gpu: str | None, sets: dict[str, Any], place: str, says: str
) -> None:
    with pytest.raises(UserError, match=says) as refused:
        plan(gpu=gpu, **sets)
    assert refused.value.place == place


def test_of_plans_that_are_equally_fast_the_one_that_rounds_less_is_taken() -> None:
    model = resolve("meta-llama/Llama-3.1-8B")
    base = Settings("qlora", 4, 2048, checkpointing=True, compile=True)
    device = device_of(
        Preset.model_validate({"model": {"base": "x"}, "data": {"train": "x"}}), machine(), "H200"
    )
    lengths = lengths_of(FACTS, 2048)
    exact = search.judge(model.architecture, base, device, lengths, 16)
    other = search.judge(model.architecture, replace(base, fp8_compute=True), device, lengths, 16)
    memory = replace(other.memory, needs=exact.memory.needs // 2)
    same = replace(other, memory=memory, step_seconds=exact.step_seconds)
    assert search.fastest([same, exact], 1000) is exact
    assert search.fastest([replace(same, step_seconds=exact.step_seconds / 2), exact], 1000) is not exact


def test_layers_of_sizes_that_fp8_products_need_decide() -> None:
    """A row of NF4 has whole blocks of 64 weights; a row in FP8 is of any multiple of 16."""
    model = resolve("meta-llama/Llama-3.1-8B")
    odd = replace(model.architecture, hidden_size=4112)
    assert {into for into, _, _ in static.fp8_shapes(odd)} == {4096, 4112, 14_336}
    assert {into for into, _, _ in static.fp8_shapes(odd, nf4=True)} == {4096, 14_336}
    none = replace(model, architecture=replace(odd, hidden_size=4104))
    for asked in (True, "auto"):
        preset = Preset.model_validate({"model": {"base": model.reference}, "data": {"train": "x"}})
        preset = preset.with_values({"method.technique": "qlora", "training.fp8_compute": asked})
        if asked is True:
            with pytest.raises(UserError, match="no 4-bit layer of llama can multiply in FP8"):
                make_plan(preset, machine(), none, FACTS, gpu="H200")
        else:
            made = make_plan(preset, machine(), none, FACTS, gpu="H200")
            assert made.resolved.training.fp8_compute is False


@pytest.mark.parametrize("asked", [True, "auto"])
def test_alternatives_can_be_taken(asked: bool | str) -> None:
    """What is for a 4-bit base alone is left open where an alternative has another base."""
    model = resolve("meta-llama/Llama-3.1-8B")
    preset = Preset.model_validate({"model": {"base": model.reference}, "data": {"train": "x.jsonl"}})
    preset = preset.with_values({"method.technique": "qlora", "training.fp8_compute": asked})
    made = make_plan(preset, machine(), model, FACTS, gpu="H200")
    changed = {key for other in made.alternatives for key in other.changes}
    assert {"method.technique", "training.compile"} <= changed
    for other in made.alternatives:
        taken = make_plan(preset.with_values(other.changes), machine(), model, FACTS, gpu="H200")
        if other.fits:
            assert taken.fits
            assert (taken.speed.tokens_per_second or 0) >= 0.97 * (other.tokens_per_second or 0)
        assert "auto" not in other.says


@pytest.mark.parametrize(
    ("gpu", "sets", "chosen"),
    [
        ("H200", {}, True),
        ("RTX 4090", {"method__rank": 8}, True),
        ("A100", {}, False),  # which has no FP8
        ("H200", {"training__fp8_compute": False}, False),
        ("H200", {"training__compile": False}, False),  # nothing fuses its roundings
        ("H200", {"training__compile": False, "training__fp8_compute": True}, True),
        ("H200", {"method__technique": "lora"}, False),
    ],
)
def test_products_of_a_4_bit_base_run_in_fp8_where_that_is_faster(
    gpu: str, sets: dict[str, Any], chosen: bool
) -> None:
    made = plan(**PACKED | {"gpu": gpu, "method__technique": "qlora"} | sets)
    assert made.resolved.training.fp8_compute is chosen
    (reason,) = [one for one in made.reasons if one.key == "training.fp8_compute"]
    assert reason.why
    if chosen and not sets:
        (other,) = [one for one in made.alternatives if "training.fp8_compute" in one.changes]
        assert other.says.startswith("16-bit products: ")
        assert "slower" in other.says


@pytest.mark.parametrize(
    ("sets", "gpu", "says"),
    [
        ({"method__technique": "lora"}, "H200", "for 4-bit base models"),
        ({"method__technique": "lora", "model__quantization": "fp8"}, "H200", "for 4-bit base models"),
        ({"method__technique": "qlora"}, "A100", "does not support FP8"),
        ({"method__technique": "qlora", "method__stage": "dpo"}, "H200", "not for direct preference"),
    ],
)
def test_fp8_products_are_refused_where_they_cannot_be(sets: dict[str, Any], gpu: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        plan(gpu=gpu, training__fp8_compute=True, **sets)
    assert caught.value.place == "training.fp8_compute"
    assert caught.value.remedy


def test_of_plans_measured_as_fast_the_one_that_needs_less_is_taken() -> None:
    """15,663 tokens/s in 13.8 GiB; 15,545 with 2 rows and every second layer recomputed, in 19.8."""
    training = plan(**PACKED | FP8, hardware__memory_limit="24GiB").resolved.training
    assert (training.micro_batch, training.activation_checkpointing) == (4, True)


@pytest.mark.parametrize(
    "facts", [FACTS, DataFacts(2000, 0, 300.0, 700, tuple(range(100, 501, 20)), "counted", "text")]
)
def test_other_techniques_and_bases_are_offered_with_what_choosing_them_would_plan(facts: DataFacts) -> None:
    """Over FP8 or four bits more rows at once pay, and products in FP8; all weights ask for fewer rows."""
    for base in ("none", "fp8"):
        made = plan(facts=facts, method__technique="lora", model__quantization=base)
        others = [
            one for one in made.alternatives if {"method.technique", "model.quantization"} & {*one.changes}
        ]
        assert len(others) >= 3
        for one in others:
            keys = {key.replace(".", "__"): value for key, value in one.changes.items()}
            there = plan(facts=facts, **{"method__technique": "lora", "model__quantization": base} | keys)
            assert (one.needs, one.tokens_per_second) == (there.memory.needs, there.speed.tokens_per_second)


def test_a_micro_batch_held_back_is_named_for_the_preflight() -> None:
    tight: dict[str, Any] = {"hardware__memory_limit": "12GiB", "training__effective_batch": 64}
    made = plan(facts=None, **tight)
    assert made.larger is not None
    assert made.larger.micro_batch > int(made.resolved.training.micro_batch)
    assert made.larger.needs > 12 * GIB
    assert made.larger.tokens_per_second > (made.speed.tokens_per_second or 0)
    assert document(made)["larger"]["needs"] == made.larger.needs
    asked = plan(facts=None, training__micro_batch=1, **tight)
    assert asked.larger is None, "what was asked for is not changed"


@pytest.mark.parametrize("effective", [1, 7, 12, 16, 64])
@pytest.mark.parametrize("gpu", ["H100", "RTX 4090:1"])
def test_the_effective_batch_is_kept_exactly(effective: int, gpu: str) -> None:
    training = plan(gpu=gpu, training__effective_batch=effective).resolved.training
    assert effective % int(training.micro_batch) == 0
    assert training.effective_batch == effective


def test_rows_of_different_lengths_are_not_padded_where_the_gpu_can() -> None:
    made = plan("Qwen/Qwen3-4B")
    assert made.resolved.data.padding_free is True
    assert made.resolved.model.attention == "varlen"
    assert any(r.key == "data.padding_free" and "%" in r.why for r in made.reasons)
    padded = plan("Qwen/Qwen3-4B", data__padding_free=False)
    assert padded.resolved.model.attention == "sdpa"
    assert (made.speed.tokens_per_second or 0) > (padded.speed.tokens_per_second or 0)
    for other in (
        plan("Qwen/Qwen3-4B", facts=None),  # all rows as long
        plan("google/gemma-2-2b"),  # capped scores
        plan("Qwen/Qwen3-4B", gpu="Tesla V100-16GB"),  # no bfloat16
        plan("Qwen/Qwen2.5-0.5B", gpu=None),
        plan("Qwen/Qwen3-4B", model__attention="sdpa"),
    ):
        assert other.resolved.data.padding_free is False


def test_a_mask_of_length_squared_is_counted_where_the_kernel_needs_one() -> None:
    joined = {
        "data__padding_free": True,
        "training__micro_batch": 8,
        "training__compile": False,
        "training__activation_checkpointing": True,
    }
    ends = plan("Qwen/Qwen3-4B", **joined)
    masked = plan("Qwen/Qwen3-4B", model__attention="sdpa", **joined)
    assert masked.memory.needs > ends.memory.needs
    assert (masked.speed.tokens_per_second or 0) < (ends.speed.tokens_per_second or 0)


def test_a_kernel_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(UserError, match="variable-length attention needs a GPU"):
        plan("Qwen/Qwen2.5-0.5B", gpu=None, model__attention="varlen")


def test_where_nothing_fits_it_says_what_would() -> None:
    made = plan(gpu="GeForce RTX 3060", method__technique="full")
    assert not made.fits
    assert made.alternatives
    assert all(other.fits and other.needs > 0 for other in made.alternatives)
    changed = {key for other in made.alternatives for key in other.changes}
    assert "--gpu" in changed
    assert {"method.technique", "model.base"} & changed


def test_alternatives_say_what_they_cost_and_win() -> None:
    made = plan("Qwen/Qwen3-4B", gpu="H200", training__activation_checkpointing=True, training__micro_batch=8)
    off = next(o for o in made.alternatives if o.changes == {"training.activation_checkpointing": False})
    assert "GiB" in off.says
    assert "faster" in off.says
    assert off.needs > made.memory.needs
    less = plan("Qwen/Qwen3-4B", gpu="H100", training__activation_checkpointing=True).alternatives
    off = next(o for o in less if o.changes.get("training.activation_checkpointing") is False)
    assert off.fits, "with fewer rows at once"
    assert "micro-batch" in off.says


def test_older_gpus_get_float16_and_processors_float32() -> None:
    assert plan("Qwen/Qwen2.5-0.5B", gpu="T4").resolved.model.dtype == "float16"
    assert plan("Qwen/Qwen2.5-0.5B", gpu=None).resolved.model.dtype == "float32"
    assert plan("Qwen/Qwen2.5-0.5B", gpu="A100").resolved.model.dtype == "bfloat16"


def test_gpus_of_this_machine_are_used_and_what_others_hold_is_left() -> None:
    gpu = Gpu(0, "NVIDIA H200", memory_total=140 * GIB, memory_free=20 * GIB, compute_capability=(9, 0))
    preset = Preset.model_validate({"model": {"base": "Qwen/Qwen3-4B"}, "data": {"train": "x.jsonl"}})
    made = make_plan(preset, machine(gpu), resolve("Qwen/Qwen3-4B"), FACTS)
    assert made.gpu["source"] == "detected"
    assert made.memory.needs <= 20 * GIB
    assert any("Other processes" in note for note in made.notes)


def test_several_gpus_share_the_batch() -> None:
    one = plan("Qwen/Qwen3-4B", gpu="H100")
    two = plan("Qwen/Qwen3-4B", gpu="H100:2")
    assert two.gpu["count"] == 2
    assert one.speed.tokens_per_second < two.speed.tokens_per_second < 2.01 * one.speed.tokens_per_second  # type: ignore[operator]


def test_without_data_time_is_not_invented() -> None:
    made = plan(facts=None)
    assert made.seconds is None
    assert made.usd is None
    assert document(made)["time"]["steps"] is None


def test_a_price_says_how_old_it_is() -> None:
    from tuiftune.plan.device import age_of

    assert age_of("2025 (guides)", 2025) == ""
    assert age_of("autumn 2026 (price lists)", 2027) == ", 1 year old"
    assert age_of("2025 (guides)", 2028) == ", 3 years old"
    made = plan(gpu="H200")
    assert made.usd_per_hour
    assert any("autumn 2026" in note and "budget.usd_per_hour" in note for note in made.notes)


def test_processes_share_the_effective_batch() -> None:
    """One a card, also where only they are asked for; on a processor only when they are."""
    for values in ({"hardware__gpus": 2}, {"hardware__processes": 2}, {"hardware__gpus": [1, 0]}):
        made = plan(gpu="H200:4", **values)
        training, hardware = made.resolved.training, made.resolved.hardware
        assert made.gpu["count"] == hardware.processes == 2
        assert hardware.gpus == ([1, 0] if isinstance(values.get("hardware__gpus"), list) else 2)
        why = {reason.key: reason.why for reason in made.reasons}
        assert training.effective_batch % (2 * int(training.micro_batch)) == 0
        assert "× 2 processes = 16 rows per step" in why["training.micro_batch"]
        assert why["hardware.processes"] == "data parallel (DDP), each with 8 of 16 rows per step"
    one = plan(gpu="H200:4", hardware__gpus=1)
    assert made.memory.device > one.memory.device, "gradients stay in their buckets, and NCCL has its own"
    assert plan("Qwen/Qwen2.5-0.5B", gpu=None, hardware__gpus=2).gpu["count"] == 1, "there is no card"
    pair = plan("Qwen/Qwen2.5-0.5B", gpu=None, hardware__processes=2)
    alone = plan("Qwen/Qwen2.5-0.5B", gpu=None)
    assert (pair.gpu["count"], pair.resolved.hardware.processes, pair.resolved.hardware.gpus) == (2, 2, 1)
    assert pair.gpu["memory_available"] == alone.gpu["memory_available"] // 2


def gpus(*held: int) -> Machine:
    """A machine of H200s, of which so many GiB are held by others."""
    total = 143771 << 20
    return machine(
        *(
            Gpu(
                index,
                "NVIDIA H200",
                memory_total=total,
                memory_free=total - gib * GIB,
                compute_capability=(9, 0),
            )
            for index, gib in enumerate(held)
        ),
        memory=256 * GIB,
    )


def on(there: Machine, base: str = "meta-llama/Llama-3.1-8B", facts: Any = FACTS, **values: Any) -> Plan:
    preset = Preset.model_validate({"model": {"base": base}, "data": {"train": "x.jsonl"}})
    preset = preset.with_values({key.replace("__", "."): value for key, value in values.items()})
    return make_plan(preset, there, resolve(preset.model.base), facts)


def test_idle_gpus_are_taken_where_they_pay() -> None:
    whole = on(gpus(0, 0, 0, 0))
    assert whole.gpu["count"] == whole.resolved.hardware.gpus == 4
    why = next(reason.why for reason in whole.reasons if reason.key == "hardware.gpus")
    assert "× faster than 1 GPU (predicted)" in why
    assert {1, 2} <= {o.changes.get("hardware.gpus") for o in whole.alternatives}, "and the others are shown"
    assert (whole.speed.tokens_per_second or 0) > 2.5 * (on(gpus(0)).speed.tokens_per_second or 0)
    odd = on(gpus(0, 0, 0, 0), training__effective_batch=2)
    assert odd.gpu["count"] == 2
    tiny = on(gpus(0, 0), "HuggingFaceTB/SmolLM2-135M", training__effective_batch=2)
    assert tiny.gpu["count"] == 1, "the exchange would cost what the second card wins"


def test_gpus_that_others_use_are_left_to_them() -> None:
    made = on(gpus(90, 0, 0))
    assert made.resolved.hardware.gpus == [1, 2]
    assert made.gpu["memory_available"] == 143156 << 20, "what the driver keeps is nobody's"
    assert any("90.0 GiB of GPU 0" in note for note in made.notes)
    assert on(gpus(90, 0), hardware__gpus=1).resolved.hardware.gpus == [1]
    asked = on(gpus(90, 0), hardware__gpus=[0])
    assert asked.gpu["memory_available"] == (143771 << 20) - 90 * GIB
    with pytest.raises(UserError, match="GPU 7 does not exist"):
        on(gpus(0, 0), hardware__gpus=[7])


def test_full_tuning_sharded_is_shown_as_predicted() -> None:
    made = plan("meta-llama/Llama-3.1-8B", gpu="A100-80GB:8", method__technique="full")
    assert made.sharded is not None
    assert made.sharded.cards == 8  # words: ok (a key of plan.json)
    assert made.sharded.fits
    assert made.sharded.memory.allocated < made.memory.allocated
    weights = made.sharded.memory.components["weights"]
    assert 32e9 / 8 < weights < 32e9 / 4, "its eighth in float32; two layers, embedding and head in 16 bit"
    assert any("hardware.parallel: fsdp" in note for note in made.notes)
    assert document(made)["sharded"]["cards"] == 8
    assert plan(gpu="A100-80GB:8").sharded is None, "adapters are copied"


def test_money_is_hours_times_the_price_given() -> None:
    made = plan(budget__usd_per_hour=3.0)
    assert made.seconds is not None
    assert made.usd == pytest.approx(made.seconds / 3600 * 3.0)


@pytest.mark.parametrize(
    ("values", "gpu", "words"),
    [
        ({"data__max_length": 10_000_000}, "H200", "data.max_length"),
        ({"training__micro_batch": 3}, "H200", "training.micro_batch"),
        ({"training__effective_batch": 5}, "H200:2", "training.effective_batch"),
        ({"method__target_modules": ["q_porj"]}, "H200", "q_porj"),
        ({"method__technique": "qlora"}, None, "QLoRA needs"),
        ({"method__rank": 100_000}, "H200", "method.rank"),
        ({"model__base": "Qwen/Qwen3-30B-A3B", "method__technique": "dora"}, "H200", "method.technique"),
        ({"model__base": "Qwen/Qwen3-30B-A3B", "method__dropout": 0.1}, "H200", "method.dropout"),
        ({}, "H9000", "H9000"),
        ({}, "H200:0", "--gpu"),
        ({"hardware__gpus": 4}, "H200:2", "hardware.gpus"),
        ({"hardware__processes": 4}, "H200:2", "hardware.processes"),
        ({"hardware__gpus": [0], "hardware__processes": 2}, "H200:2", "hardware.processes"),
        ({"training__effective_batch": 5, "hardware__processes": 2}, None, "training.effective_batch"),
    ],
)
def test_bad_input_is_one_line_with_its_place(values: dict[str, Any], gpu: str | None, words: str) -> None:
    with pytest.raises(UserError) as caught:
        plan(gpu=gpu, **values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_billion_rows_are_answered_with_days() -> None:
    facts = DataFacts(10**9, 0, 400.0, 3000, FACTS.quantiles, "counted", "chat")
    made = plan(facts=facts)
    assert made.steps > 10**8
    assert any("days" in note for note in made.notes)


@pytest.mark.parametrize(
    ("rows", "values", "told"),
    [
        (12, {"training__epochs": 1}, True),
        (12, {"training__epochs": 3}, False),
        (10_000, {"training__max_steps": 1}, False),
    ],
    ids=["few rows", "several epochs", "as asked for"],
)
def test_rows_that_make_one_step_are_noted(rows: int, values: dict[str, Any], told: bool) -> None:
    made = plan(facts=replace(FACTS, rows=rows), training__effective_batch=16, **values)
    assert any("single optimizer step" in note for note in made.notes) is told


def test_few_trained_tokens_are_not_written_as_none() -> None:
    made = plan(facts=replace(FACTS, rows=20, longest_answer=3, around_answer=1), method__technique="lora")
    why = next(reason.why for reason in made.reasons if reason.key == "method.rank")
    assert "trained tokens (20 rows)" in why
    assert " 0.0 M" not in why


def test_the_bar_covers_the_gpu_exactly() -> None:
    made = plan()
    parts = segments(made.memory, int(made.gpu["memory_available"]))
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    assert sum(part.bytes for part in parts) == made.gpu["memory_available"]
    for width in (10, 80, 200):
        assert sum(number for _, number in cells(parts, width)) == width


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tuiftune", "plan", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_prints_one_document() -> None:
    done = command("demo", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["fits"] is True
    assert set(found["memory"]) == {"components", "allocated", "reserved", "device", "needs"}
    assert {"gpu", "resolved", "reasons", "alternatives", "speed", "time", "cost"} <= set(found)


def test_the_command_ends_with_3_where_nothing_fits() -> None:
    done = command(
        "demo",
        "--set",
        "model.base=meta-llama/Llama-3.1-8B",
        "--set",
        "method.technique=full",
        "--gpu",
        "RTX 3060",
    )
    assert done.returncode == 3, done.stderr
    assert "does not fit" in done.stdout


def test_the_command_names_an_unknown_gpu() -> None:
    done = command("demo", "--gpu", "H9000")
    assert done.returncode == 2
    assert "H9000" in done.stderr
    assert "Traceback" not in done.stderr


def test_planning_imports_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv = ['tuiftune', 'plan', 'demo', '--json']\n"
        "from tuiftune.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'peft', 'trl', 'datasets') if m in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip().endswith("[]"), done.stderr


def test_a_mixture_keeps_its_targets_and_attention_is_offered() -> None:
    made = plan("Qwen/Qwen3-30B-A3B", gpu="H200")
    assert made.resolved.method.target_modules == "all-linear"
    assert any("all 128 experts" in note and "attention" in note for note in made.notes)
    (other,) = (o for o in made.alternatives if "method.target_modules" in o.changes)
    assert other.changes == {"method.target_modules": "attention"}
    assert other.needs < made.memory.needs


def test_what_preflights_on_this_gpu_held_raises_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuiftune.hardware import experience

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    gpu = Gpu(0, "NVIDIA H200", memory_total=140 * GIB, memory_free=139 * GIB, compute_capability=(9, 0))
    preset = Preset.model_validate(
        {
            "model": {"base": "Qwen/Qwen3-4B"},
            "data": {"train": "x.jsonl"},
            "training": {"micro_batch": 1, "compile": False, "activation_checkpointing": True},
        }
    )

    def made() -> Plan:
        return make_plan(preset, machine(gpu), resolve("Qwen/Qwen3-4B"), FACTS)

    before = made()
    experience.note("NVIDIA H200", 0.9)
    assert made() == before, "a bound that held is not lowered"
    experience.note("NVIDIA H200", 1.1)
    after = made()
    assert after.memory.needs == pytest.approx(before.memory.needs * 1.1 * experience.MARGIN, rel=1e-6)
    assert document(after)["gpu"]["correction"] == pytest.approx(1.111)
    assert any("A preflight check on this GPU used 110%" in note for note in after.notes)
    experience.note("NVIDIA H200", 4.0)
    assert made().memory.needs == int(before.memory.needs * experience.MOST)
    assert experience.correction("another card").factor == 1
    for _ in range(experience.KEPT):
        experience.note("NVIDIA H200", 0.97)
    assert made() == before
    (tmp_path / "tuiftune" / "machine.json").write_text("{not json")
    assert made() == before


def a_4090(**values: Any) -> Gpu:
    given: dict[str, Any] = {"memory_total": 24_564 << 20, "memory_free": 24_080 << 20, **values}
    return Gpu(0, "NVIDIA GeForce RTX 4090", compute_capability=(8, 9), **given)


def test_a_gpu_gives_what_cuda_gives_of_it() -> None:
    assert plan(gpu="RTX 4090").gpu["memory_available"] / GIB == pytest.approx(23.52)
    there = detected(a_4090())
    assert there.gpu["memory_available"] <= 23.52 * GIB
    unread = detected(a_4090(memory_free=None))
    assert unread.gpu["memory_available"] / GIB == pytest.approx(23.52)
    other = detected(Gpu(0, "NVIDIA GeForce RTX 3080", memory_total=12 * GIB, compute_capability=(8, 6)))
    assert other.gpu["memory_available"] == 12 * GIB, "the one in the table has 10"


def test_a_desktop_on_the_gpu_keeps_room_to_grow() -> None:
    quiet, drawn_on = detected(a_4090()), detected(a_4090(draws=True))
    assert quiet.gpu["memory_available"] - drawn_on.gpu["memory_available"] == GIB // 2
    assert any("desktop" in note for note in drawn_on.notes)
    assert not any("desktop" in note for note in quiet.notes)


def detected(gpu: Gpu) -> Plan:
    preset = Preset.model_validate({"model": {"base": "Qwen/Qwen2.5-0.5B"}, "data": {"train": "x.jsonl"}})
    return make_plan(preset, machine(gpu), resolve(preset.model.base), FACTS)


@pytest.mark.parametrize("room", [0.97, 0.995, 1.0, 1.005])
def test_a_plan_within_two_percent_of_the_limit_says_so(room: float) -> None:
    pinned = {
        "training__micro_batch": 1,
        "training__activation_checkpointing": True,
        "training__activation_offloading": False,
        "method__technique": "lora",
        "training__compile": False,
        "data__padding_free": False,
    }
    needs = plan(**pinned).memory.needs
    limit = f"{-(-int(needs / room) // 2**20)}MiB"
    made = plan(**pinned, hardware__memory_limit=limit)
    assert made.fits is (room <= 1.0)
    near = made.fits and room > 0.98
    assert made.near_limit is near
    assert document(made)["near_limit"] is near
    assert any("Close to the limit" in note for note in made.notes) is near


def test_reasoning_after_a_closed_block_is_told() -> None:
    assert any("25% of the rows reason after" in note for note in plan(facts=replace(FACTS, late=0.25)).notes)
    assert not any("reason after" in note for note in plan().notes)


def test_full_tuning_is_counted_with_float32_weights() -> None:
    """Four bytes of weight, four of gradient, eight of AdamW's states; products in bfloat16."""
    made = plan("Qwen/Qwen2.5-1.5B", method__technique="full", training__micro_batch=1)
    parts, count = made.memory.components, resolve("Qwen/Qwen2.5-1.5B").parameters
    assert made.resolved.model.dtype == "bfloat16"
    assert parts["weights"] == 4 * count
    assert parts["gradients"] >= 4 * count
    assert parts["optimizer"] == 8 * count
    assert any(reason.key == "model.dtype" and "float32" in reason.why for reason in made.reasons)


@pytest.mark.parametrize(
    ("gpu", "optimizer"),
    [("H200", "adamw_torch_fused"), ("5090", "adamw_torch_fused"), ("4090", "adamw_8bit")],
)
def test_the_most_exact_optimizer_that_fits_is_taken(gpu: str, optimizer: str) -> None:
    made = plan("Qwen/Qwen2.5-1.5B", gpu=gpu, method__technique="full")
    assert made.fits
    assert made.resolved.training.optimizer == optimizer


@pytest.mark.parametrize("technique", ["lora", "qlora", "dora"])
def test_adapters_are_in_float32(technique: str) -> None:
    made = plan(method__technique=technique)
    assert made.resolved.method.adapter_dtype == "float32"


def test_a_gpu_without_bfloat16_trains_in_float32() -> None:
    lora, full = (plan("Qwen/Qwen2.5-0.5B", gpu="T4", method__technique=one) for one in ("lora", "full"))
    assert (lora.resolved.model.dtype, lora.resolved.method.adapter_dtype) == ("float16", "float32")
    assert full.resolved.model.dtype == "float32"
    with pytest.raises(UserError, match=r"method\.adapter_dtype: Tesla T4 does not support bfloat16"):
        plan("Qwen/Qwen2.5-0.5B", gpu="T4", method__adapter_dtype="bfloat16")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("H200:99999999", "more than one machine has"),
        ("H200:2000", "more than one machine has"),
        ("H200:" + "9" * 5000, "more than one machine has"),
        ("H200:0", "'0' is not a valid number of GPUs"),
        ("H200:000000", "is not a valid number of GPUs"),
        ("H200:-3", "is not a valid number of GPUs"),
        ("H200:", "is not a valid number of GPUs"),
    ],
)
def test_a_count_of_gpus_that_cannot_be_is_called_what_it_is(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        plan(gpu=text)
    assert caught.value.place == "--gpu"
    assert len(str(caught.value)) < 200


def test_an_evaluation_set_that_takes_long_is_noted() -> None:
    """5% of ten million rows delayed the first step by an hour, and no one had said so."""
    many = replace(FACTS, rows=9_500_000, rows_eval=500_000)
    notes = [note for note in plan(facts=many, training__epochs=1.0).notes if "Evaluating" in note]
    assert len(notes) == 1
    assert "Evaluating 500,000 rows takes about 1 h" in notes[0]
    assert "data.eval: 0.001." in notes[0]
    for few in (plan(), plan(facts=replace(many, rows_eval=10_000)), plan(facts=many, method__stage="grpo")):
        assert not any("Evaluating" in note for note in few.notes)
    (note,) = [note for note in plan(facts=many, data__eval="held.jsonl").notes if "Evaluating" in note]
    assert "data.eval: a file of fewer rows." in note
