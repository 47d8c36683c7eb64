"""A plan asks its technique: the same numbers for the same computation, whatever its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from test_make_plan import FACTS, machine

from tuiftune import techniques
from tuiftune.models.resolve import resolve
from tuiftune.plan.memory import estimate
from tuiftune.plan.resolve import make_plan
from tuiftune.plan.settings import Settings
from tuiftune.preset.file import loads

if TYPE_CHECKING:
    from tuiftune.plan.model import Plan


def plan(technique: str, quantization: str = "auto", **method: object) -> Plan:
    options = "".join(f", {key}: {value}" for key, value in method.items())
    text = f"model: {{base: Qwen/Qwen3-8B, quantization: {quantization}}}\ndata: {{train: x.jsonl}}\n"
    preset = loads(f"{text}method: {{technique: {technique}{options}}}\n", "x")
    return make_plan(preset, machine(), resolve(preset.model.base), FACTS, gpu="RTX 4090")


def test_lora_over_a_quantized_base_is_qlora_in_every_number() -> None:
    lora, qlora = plan("lora", "nf4"), plan("qlora")
    assert lora.resolved == qlora.resolved
    assert (lora.memory, lora.speed, lora.seconds) == (qlora.memory, qlora.speed, qlora.seconds)
    assert [replace(one, changes={}) for one in lora.alternatives] == [
        replace(one, changes={}) for one in qlora.alternatives
    ]
    preset = loads("model: {base: x, quantization: nf4}\ndata: {train: y}\nmethod: {technique: lora}\n", "x")
    others = [one.changes for one in lora.alternatives if "method.technique" in one.changes]
    assert others
    for changes in others:  # what it offers is what taking it gives
        taken = preset.with_values(changes)
        found = techniques.find(taken.method.technique, taken.model.quantization)
        assert found.key == changes["method.technique"]


def test_auto_is_what_the_quantization_allows() -> None:
    assert plan("auto", "nf4").resolved.method.technique == "qlora"
    assert plan("auto", "none").resolved.method.technique == "lora"


@pytest.mark.parametrize("technique", ["rslora", "loraplus", "pissa"])
def test_what_computes_as_lora_is_planned_as_lora(technique: str) -> None:
    made, lora = plan(technique), plan("lora")
    assert (made.memory.components, made.speed, made.seconds) == (
        lora.memory.components,
        lora.speed,
        lora.seconds,
    )
    assert made.fits == lora.fits


def test_what_a_technique_makes_of_auto_is_its_own() -> None:
    assert plan("rslora", rank=64).resolved.method.alpha == 8
    assert plan("lora", rank=64).resolved.method.alpha == 128
    assert (
        plan("loraplus").resolved.training.learning_rate == plan("lora").resolved.training.learning_rate / 2
    )
    assert plan("loraplus", "nf4").resolved.training.learning_rate == 1e-4


def test_taking_a_weight_apart_may_need_more_than_a_step() -> None:
    arch = replace(resolve("Qwen/Qwen3-8B").architecture, num_layers=1)
    few = Settings(technique="lora", micro_batch=1, length=16, rank=8)
    assert estimate(arch, replace(few, technique="pissa")).needs > estimate(arch, few).needs


def test_each_technique_has_words_and_a_source_for_everything_it_says() -> None:
    for one in techniques.every().values():
        facts = [one.rates.tiny, one.rates.usual, one.rates.large, one.rates.wide, one.alpha]
        assert all(fact is None or (fact.why and fact.source) for fact in facts), one.key
        assert all((one.quality.says, one.quality.source, one.rates.source)), one.key
        assert one.quality.leans in ("better", "worse", "same", "unsure")
