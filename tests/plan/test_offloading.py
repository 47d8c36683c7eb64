"""Activation offloading in a plan: what leaves GPU memory, what it takes of RAM and time, when it is used."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from test_make_plan import FACTS, GIB, machine, plan

from tuiftune.errors import UserError
from tuiftune.hardware.machine import Gpu
from tuiftune.models.resolve import resolve
from tuiftune.plan import memory, offloading, speed
from tuiftune.plan.device import device_of
from tuiftune.plan.resolve import make_plan
from tuiftune.plan.settings import Settings
from tuiftune.preset.schema import Preset

if TYPE_CHECKING:
    from tuiftune.plan.model import Plan

BASE = "meta-llama/Llama-3.1-8B"
LLAMA = resolve(BASE).architecture
ROWS = Settings("qlora", 4, 2048, checkpointing=True)
OFFLOADED = replace(ROWS, activation_offloading=True)
INPUT = 4 * 2048 * 4096 * 2
OTHERS = {
    "training__micro_batch": 4,
    "training__activation_checkpointing": True,
    "training__kernels": "none",
    "training__compile": False,
    "data__padding_free": False,
    "method__technique": "qlora",
}


def reason(made: Plan, key: str) -> str:
    return next(one.why for one in made.reasons if one.key == key)


def kept(settings: Settings) -> int:
    return memory.estimate(LLAMA, settings).components["activations kept"]


@pytest.mark.parametrize("more", [{}, {"kernels": "liger"}, {"accumulation": 4}])
def test_two_inputs_are_left_in_gpu_memory(more: dict[str, Any]) -> None:
    before, after = kept(replace(ROWS, **more)), kept(replace(OFFLOADED, **more))
    assert before - after == pytest.approx(30 * INPUT, rel=0.01)


def test_long_rows_gain_most() -> None:
    """The issue's case, 4 × 2,048 tokens, and one row of 32,768."""
    assert memory.estimate(LLAMA, ROWS).allocated - memory.estimate(LLAMA, OFFLOADED).allocated > 1.7 * GIB
    long = replace(ROWS, micro_batch=1, length=32_768)
    gained = memory.estimate(LLAMA, long).allocated
    gained -= memory.estimate(LLAMA, replace(long, activation_offloading=True)).allocated
    assert gained > 7 * GIB


def test_every_layer_that_is_recomputed_and_no_other() -> None:
    fourth = replace(ROWS, checkpointing=4)
    assert kept(fourth) - kept(replace(fourth, activation_offloading=True)) == pytest.approx(6 * INPUT)
    assert offloading.layers(LLAMA, replace(OFFLOADED, checkpointing=4)) == 8
    assert offloading.layers(LLAMA, replace(OFFLOADED, checkpointing=False)) == 0


def test_pinned_memory_comes_in_powers_of_two() -> None:
    assert offloading.in_ram(LLAMA, ROWS) == 0
    assert offloading.in_ram(LLAMA, OFFLOADED) == 32 * INPUT == 2 * GIB
    assert offloading.in_ram(LLAMA, replace(OFFLOADED, micro_batch=5, copies=2)) == 2 * 32 * 2 * INPUT


def test_copies_take_no_time_where_layers_take_longer() -> None:
    preset = Preset.model_validate({"model": {"base": BASE}, "data": {"train": "x"}})
    device = device_of(preset, machine(), "H200")
    times = [speed.step_seconds(LLAMA, one, device, 2048) for one in (ROWS, OFFLOADED)]
    assert times[0] == times[1]
    slow = [
        speed.step_seconds(LLAMA, one, replace(device, flops=1e20, bandwidth=1e20), 2048)
        for one in (ROWS, replace(OFFLOADED, micro_batch=64))
    ]
    assert slow[1] == pytest.approx(2 * 16 * 2 * GIB / offloading.HOST_LINK, rel=0.05)
    assert slow[1] > slow[0]


def test_it_is_taken_where_it_lets_more_fit() -> None:
    roomy = plan(**OTHERS)
    assert roomy.resolved.training.activation_offloading is False
    needs = plan(**OTHERS, training__activation_offloading=True).memory.needs
    tight = plan(**OTHERS, hardware__memory_limit=f"{needs // 2**20 + 1}MiB")
    assert tight.fits
    assert tight.resolved.training.activation_offloading is True
    assert "2.0 GiB" in reason(tight, "training.activation_offloading")
    pinned = plan(**OTHERS, training__activation_offloading=False, hardware__memory_limit="9GiB")
    assert not pinned.fits
    assert reason(pinned, "training.activation_offloading") == "set in the preset"


def test_reasons_say_what_is_true_where_nothing_fits_or_it_is_asked_for() -> None:
    short = plan(**OTHERS, hardware__memory_limit="6GiB")
    assert not short.fits
    assert "the least GPU memory possible here" in reason(short, "training.activation_offloading")
    assert "that fits" not in reason(short, "training.activation_offloading")
    asked = plan(training__activation_offloading=True)
    assert asked.resolved.training.activation_checkpointing is not False
    assert "activation offloading" in reason(asked, "training.activation_checkpointing")


def test_alternatives_name_it() -> None:
    off = plan(**OTHERS).alternatives
    found = next(one for one in off if one.changes == {"training.activation_offloading": True})
    assert found.says.startswith("activation offloading on: -2.1 GiB, ")
    on = plan(**OTHERS, training__activation_offloading=True).alternatives
    assert any(one.changes == {"training.activation_offloading": False} for one in on)
    without = [one.changes for one in on if one.changes.get("training.activation_checkpointing") is False]
    assert all(changes["training.activation_offloading"] is False for changes in without)
    assert without


def _here(ram: int, **values: Any) -> Plan:
    gpu = Gpu(0, "NVIDIA H200", memory_total=140 * GIB, compute_capability=(9, 0))
    preset = Preset.model_validate({"model": {"base": BASE}, "data": {"train": "x.jsonl"}})
    preset = preset.with_values({key.replace("__", "."): value for key, value in values.items()})
    return make_plan(preset, machine(gpu, memory=ram + 2 * GIB), resolve(BASE), FACTS)


def test_a_quarter_of_the_free_ram_is_the_most() -> None:
    tight = OTHERS | {"hardware__memory_limit": "10.5GiB"}
    assert _here(8 * GIB, **tight).fits
    short = _here(8 * GIB - 1, **tight)
    assert not short.fits
    assert short.resolved.training.activation_offloading is False
    says = r"needs 2\.0 GiB of RAM, and at most a quarter of the free 7\.9 GiB"
    with pytest.raises(UserError, match=says) as found:
        _here(8 * GIB - 100 * 2**20, **OTHERS, training__activation_offloading=True)
    assert found.value.place == "training.activation_offloading"


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"training__activation_checkpointing": False}, "activation checkpointing stores, which is off"),
        ({"hardware__parallel": "fsdp", "hardware__processes": 2}, "a whole copy of the model"),
    ],
)
def test_what_it_cannot_go_with_is_refused(values: dict[str, Any], match: str) -> None:
    with pytest.raises(UserError, match=match) as found:
        plan(gpu="H200:2", training__activation_offloading=True, **values)
    assert found.value.place == "training.activation_offloading"


def test_a_cpu_and_shards_go_without_unless_asked() -> None:
    cpu = plan("Qwen/Qwen2.5-0.5B", gpu=None)
    assert cpu.resolved.training.activation_offloading is False
    assert reason(cpu, "training.activation_offloading") == "no gain on a CPU"
    asked = plan("Qwen/Qwen2.5-0.5B", gpu=None, training__activation_offloading=True)
    assert asked.resolved.training.activation_checkpointing is not False
    assert asked.resolved.training.activation_offloading is True
    shards = plan(gpu="H200:2", hardware__parallel="fsdp", hardware__processes=2)
    assert shards.resolved.training.activation_offloading is False
    copies = plan(gpu="H200:2", hardware__processes=2, training__activation_offloading=True)
    assert copies.resolved.training.activation_offloading is True


def test_ram_of_another_machine_is_not_known() -> None:
    preset = Preset.model_validate({"model": {"base": BASE}, "data": {"train": "x"}})
    assert device_of(preset, machine(), "H200").ram == sys.maxsize
