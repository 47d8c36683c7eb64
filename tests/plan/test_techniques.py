"""A plan asks its technique: the same numbers for the same computation, whatever its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from test_make_plan import FACTS, machine

from tuiftune import techniques
from tuiftune.errors import UserError
from tuiftune.models.resolve import resolve
from tuiftune.plan import static
from tuiftune.plan.memory import estimate
from tuiftune.plan.resolve import make_plan, trainable_parameters
from tuiftune.plan.settings import Settings
from tuiftune.preset.file import loads, override

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


@pytest.mark.parametrize(
    ("technique", "options", "trained"),
    [
        ("ia3", {}, 36 * (2 * 1024 + 12_288)),
        ("ln_tuning", {}, 36 * (2 * 4096 + 2 * 128) + 4096),
        (
            "last_layers",
            {"trained_layers": 2},
            2 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 12_288 + 8448),
        ),
    ],
)
def test_techniques_without_a_rank_are_planned_by_their_own_count(
    technique: str, options: dict[str, Any], trained: int
) -> None:
    made, lora = plan(technique, **options), plan("lora")
    assert any("rank is set, and not used" in note for note in plan(technique, **options, rank=64).notes)
    assert not any("not used" in note for note in made.notes)
    assert made.memory.components["adapters"] == 4 * trained <= made.memory.components["gradients"]
    assert made.memory.components["optimizer"] == 8 * trained
    assert trainable_parameters(made, resolve("Qwen/Qwen3-8B")) == trained
    reasons = {one.key: one.why for one in made.reasons}
    assert "does not have a rank" in reasons["method.rank"]
    assert made.resolved.training.learning_rate != lora.resolved.training.learning_rate
    assert (made.speed.tokens_per_second or 0) > 0


def test_the_last_layers_alone_keep_activations() -> None:
    arch = resolve("Qwen/Qwen3-8B").architecture
    four = Settings("last_layers", 1, 1024, options=(("trained_layers", 4),), checkpointing=False)
    eight = replace(four, options=(("trained_layers", 8),))
    kept = [estimate(arch, one).components["activations kept"] for one in (four, eight)]
    assert kept[1] == pytest.approx(2 * kept[0], rel=0.1)
    lora = estimate(arch, Settings("lora", 1, 1024, checkpointing=False)).components["activations kept"]
    assert kept[0] < lora / 8


def planned(values: dict[str, Any]) -> None:
    method = ", ".join(f"{key}: {value}" for key, value in values.items() if "." not in key)
    preset = loads(f"model: {{base: Qwen/Qwen3-8B}}\ndata: {{train: x}}\nmethod: {{{method}}}\n", "x")
    preset = override(preset, [f"{key}={value}" for key, value in values.items() if "." in key])
    make_plan(preset, machine(), resolve("Qwen/Qwen3-8B"), FACTS, gpu="RTX 4090")


@pytest.mark.parametrize(
    ("values", "place", "said"),
    [
        ({"technique": "loftq"}, "method.technique", "LoftQ needs a GPU"),
        ({"technique": "adalora"}, "method.technique", "cannot be loaded again"),
        ({"technique": "last_layers", "trained_layers": 99}, "method.technique", "the model has 36"),
        ({"technique": "prefix_tuning"}, "method.technique", "not seen to train"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(values: dict[str, Any], place: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        planned(values)
    assert place in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_a_technique_makes_of_auto_is_its_own() -> None:
    assert plan("rslora", rank=64).resolved.method.alpha == 8
    assert plan("lora", rank=64).resolved.method.alpha == 128
    half = plan("lora").resolved.training.learning_rate / 2
    assert plan("loraplus").resolved.training.learning_rate == pytest.approx(half)
    assert plan("loraplus", "nf4").resolved.training.learning_rate == pytest.approx(half)


def test_taking_a_weight_apart_may_need_more_than_a_step() -> None:
    arch = replace(resolve("Qwen/Qwen3-8B").architecture, num_layers=1)
    few = Settings(technique="lora", micro_batch=1, length=16, rank=8)
    assert estimate(arch, replace(few, technique="pissa")).needs > estimate(arch, few).needs


def test_each_technique_has_words_and_a_source_for_everything_it_says() -> None:
    for one in techniques.every().values():
        facts = [one.rates.tiny, one.rates.usual, one.rates.large, one.rates.over_lora, one.alpha]
        assert all(fact is None or (fact.why and fact.source) for fact in facts), one.key
        assert all((one.quality.says, one.quality.source, one.rates.source)), one.key
        assert one.quality.leans in ("better", "worse", "same", "unsure")


def test_lora_over_fp8_is_smaller_and_faster_and_an_alternative() -> None:
    preset = "model: {base: meta-llama/Llama-3.1-8B}\ndata: {train: x.jsonl, max_length: 2048}\n"
    made = {
        base: make_plan(
            loads(preset + f"method: {{technique: {technique}}}\n", "x").with_values(
                {"model.quantization": base}
            ),
            machine(),
            resolve("meta-llama/Llama-3.1-8B"),
            FACTS,
            gpu="H200",
        )
        for technique, base in (("lora", "auto"), ("lora", "fp8"), ("qlora", "nf4"))
    }
    plain, fp8 = made["auto"], made["fp8"]
    assert plain.resolved.model.quantization == "none", "16 bit where it fits"
    assert fp8.resolved.model.quantization == "fp8"
    held = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    rows = 32 * (2 * 4096 + 2 * 1024 + 2 * 14336 + 4096)
    assert plain.memory.components["weights"] - fp8.memory.components["weights"] == held
    assert fp8.memory.components["quantisation constants"] == 4 * rows
    assert (fp8.speed.tokens_per_second or 0) > 1.3 * (plain.speed.tokens_per_second or 0)
    (offered,) = [one for one in plain.alternatives if one.changes == {"model.quantization": "fp8"}]
    assert offered.says.startswith("FP8 base: ")
    assert offered.says.endswith("× faster")
    (back,) = [one for one in fp8.alternatives if one.changes == {"model.quantization": "none"}]
    assert back.says.startswith("16-bit base: ")
    assert back.says.endswith("× slower")
    over = {"method.technique": "lora", "model.quantization": "fp8"}
    (other,) = [one for one in made["nf4"].alternatives if one.changes == over]
    assert other.says.startswith("LoRA, FP8 base: ")


def test_fp8_is_taken_before_four_bits_where_16_do_not_fit() -> None:
    small = {gpu: plan_on(gpu) for gpu in ("RTX 4070 Ti SUPER", "A100-SXM4-40GB", "RTX 3080 Ti")}
    assert [one.resolved.model.quantization for one in small.values()] == ["fp8", "none", "nf4"]
    reasons = {one.key: one.why for one in small["RTX 4070 Ti SUPER"].reasons}
    assert "FP8 weights fit" in reasons["method.technique"]
    assert "closer" in reasons["model.quantization"]


def plan_on(gpu: str, quantization: str = "auto", base: str = "Qwen/Qwen3-8B", **more: str) -> Plan:
    values = {"model.quantization": quantization, **more}
    preset = loads(f"model: {{base: {base}}}\ndata: {{train: x.jsonl}}\n", "x").with_values(values)
    return make_plan(preset, machine(), resolve(base), FACTS, gpu=gpu)


@pytest.mark.parametrize("gpu", ["A100", "RTX 3090", "T4"])
def test_fp8_is_refused_where_the_gpu_lacks_it(gpu: str) -> None:
    with pytest.raises(UserError, match=r"does not support FP8 \(compute capability below 8\.9\)") as said:
        plan_on(gpu, "fp8")
    assert said.value.place == "model.quantization"
    offered = [one.changes for one in plan_on(gpu).alternatives]
    assert not any(changes.get("model.quantization") == "fp8" for changes in offered)


def test_fp8_on_a_cpu_is_said_to_be_emulated() -> None:
    values = {"model.quantization": "fp8", "method.technique": "lora"}
    preset = loads("model: {base: Qwen/Qwen3-0.6B}\ndata: {train: x.jsonl}\n", "x").with_values(values)
    made = make_plan(preset, machine(), resolve(preset.model.base), FACTS)
    assert any("emulated on the CPU" in note for note in made.notes)


def test_auto_over_fp8_is_lora() -> None:
    made = plan_on("L4", "fp8")
    assert made.resolved.method.technique == "lora"
    assert plan_on("L4", "fp8", **{"method.technique": "rslora"}).resolved.method.alpha == 8


def test_layers_of_odd_sizes_count_in_16_bit() -> None:
    arch = replace(resolve("Qwen/Qwen3-8B").architecture, intermediate_size=12_290)
    settings = Settings(technique="lora", quantization="fp8", micro_batch=1, length=16)
    attention = 36 * (2 * 4096 * 4096 + 2 * 4096 * 1024)
    found = static.components(arch, settings)["weights"]
    assert found == 2 * static.parameters(arch) - attention
    tiny = replace(arch, hidden_size=1001, intermediate_size=1001)
    assert not static.fp8_shapes(tiny)


@pytest.mark.parametrize("key", sorted(techniques.every()))
def test_shares_are_taken_of_all_parameters_with_those_of_adapters(key: str) -> None:
    adapted = techniques.every()[key].adapters
    assert techniques.all_parameters(key, 1_000_000, 250_000) == (1_250_000 if adapted else 1_000_000)
    assert techniques.all_parameters("one of a later version", 1_000_000, 250_000) == 1_000_000
