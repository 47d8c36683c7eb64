"""Counts from a config agree with the model that transformers builds from it, to the parameter."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tuiftune.errors import UserError  # noqa: E402
from tuiftune.models import catalogue, count  # noqa: E402
from tuiftune.models.config import architecture_of  # noqa: E402

MODELS: list[dict[str, Any]] = json.loads(
    files("tuiftune.models").joinpath("catalogue.json").read_text(encoding="utf-8")
)["models"]
SMALL_IDS = {"pad_token_id": None, "bos_token_id": 1, "eos_token_id": 1}


def on_meta(config: dict[str, Any]) -> Any:
    """The model with tensors that weigh nothing."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    fields = {k: v for k, v in config.items() if k not in {"model_type", "quantization_config"}}
    built = CONFIG_MAPPING[config["model_type"]](**fields, **SMALL_IDS)
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(built)


def shallow(config: dict[str, Any]) -> dict[str, Any]:
    """The same model with two layers."""
    if "text_config" in config:
        return {**config, "text_config": {**config["text_config"], "num_hidden_layers": 2}}
    return {**config, "num_hidden_layers": 2}


def named(title: str) -> dict[str, Any]:
    return next(model["config"] for model in MODELS if model["title"] == title)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model["title"]))
def test_catalogue_agrees_with_the_instantiated_model(model: dict[str, Any]) -> None:
    arch = architecture_of(model["config"])
    instantiated = sum(parameter.numel() for parameter in on_meta(model["config"]).parameters())
    assert count.parameters(arch) == instantiated
    if model["parameters"] is not None:
        assert count.parameters(arch) == model["parameters"]
    assert arch.known


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model["title"]))
def test_linear_modules_have_the_names_and_shapes_of_the_instantiated_model(model: dict[str, Any]) -> None:
    arch = architecture_of(model["config"])
    there: dict[tuple[str, int, int], int] = {}
    for name, module in on_meta(model["config"]).named_modules():
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name and "vision" not in name:
            key = (name.rpartition(".")[2], module.in_features, module.out_features)
            there[key] = there.get(key, 0) + 1
    ours: dict[tuple[str, int, int], int] = {}
    for name, into, out, many in count.linear_shapes(arch):
        ours[name, into, out] = ours.get((name, into, out), 0) + many
    assert ours == there


ODD = {
    "qwen2_moe": {
        "model_type": "qwen2_moe",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "shared_expert_intermediate_size": 40,
        "decoder_sparse_step": 2,
        "mlp_only_layers": [3],
    },
    "qwen3_moe, first layer dense": {
        "model_type": "qwen3_moe",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "vocab_size": 100,
        "num_experts": 6,
        "moe_intermediate_size": 24,
        "mlp_only_layers": [0],
    },
    "llama with every bias": {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "vocab_size": 100,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "phi": {
        "model_type": "phi",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 100,
    },
    "gpt_neox": {
        "model_type": "gpt_neox",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 100,
    },
    "olmo": {
        "model_type": "olmo",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 100,
    },
    "granitemoe": {
        "model_type": "granitemoe",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 100,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
    "mistral with no head_dim": {
        "model_type": "mistral",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
    },
    "gemma, head_dim by family": {
        "model_type": "gemma",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "vocab_size": 100,
    },
    "qwen3, head_dim by family": {
        "model_type": "qwen3",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 100,
    },
    "ministral3": {
        "model_type": "ministral3",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "vocab_size": 100,
    },
}


@pytest.mark.parametrize("config", ODD.values(), ids=ODD.keys())
def test_odd_configs_agree_with_the_instantiated_model(config: dict[str, Any]) -> None:
    arch = architecture_of(config)
    assert arch.known
    assert count.parameters(arch) == sum(parameter.numel() for parameter in on_meta(config).parameters())


ADAPTED = [
    "Llama 3.2 1B",
    "Qwen3 0.6B",
    "Phi-3 mini 4K",
    "Gemma 2 2B",
    "Gemma 3 4B",
    "OLMo 2 1B",
    "StarCoder2 3B",
    "Qwen3 30B-A3B",
    "Mixtral 8x7B",
]


@pytest.mark.parametrize("title", ADAPTED)
@pytest.mark.parametrize("targets", ["all-linear", "attention", "q,v"])
@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_adapters_agree_with_peft(title: str, targets: str, dora: bool) -> None:
    peft = pytest.importorskip("peft")
    config = named(title)
    arch = architecture_of(config)
    experts = count.adapts_experts(arch, targets)
    if dora and experts:
        pytest.skip("DoRA on experts is refused")
    model = on_meta(shallow(config))
    lora = peft.LoraConfig(
        r=16,
        use_dora=dora,
        target_modules=targets if experts else list(count.target_names(arch, targets)),
        exclude_modules=r".*vision_tower.*" if config["model_type"] == "gemma3" else None,
        task_type="CAUSAL_LM",
    )
    with torch.device("meta"):
        adapted = peft.get_peft_model(model, lora, autocast_adapter_dtype=False, low_cpu_mem_usage=True)
    trainable = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
    two_layers = architecture_of(shallow(config))
    assert count.adapter_parameters(two_layers, 16, targets, dora) == trainable
    assert count.adapter_parameters(arch, 16, targets, dora) == trainable * arch.num_layers // 2


OPTIONS: dict[str, dict[str, Any]] = {
    "ia3": {},
    "ln_tuning": {},
    "last_layers": {"trained_layers": 2},
}


REFUSED = {
    "ln_tuning": {"olmo"},
    "last_layers": {"Qwen3 30B-A3B", "Mixtral 8x7B", "granitemoe", *(name for name in ODD if "_moe" in name)},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", [*ADAPTED, *ODD])
def test_techniques_without_a_rank_train_what_is_counted(title: str) -> None:
    peft = pytest.importorskip("peft")
    from tuiftune import techniques
    from tuiftune.engine.techniques import applied

    config = ODD.get(title) or shallow(named(title))
    for key, options in OPTIONS.items():
        technique = techniques.every()[key]
        try:
            counted = count.trained_by(architecture_of(config), technique, options)
        except UserError:
            assert title in REFUSED.get(key, ())
            continue
        model = on_meta(config)
        preset = SimpleNamespace(method=SimpleNamespace(**options))
        made = applied(key).config(model, SimpleNamespace(preset=preset))
        with torch.device("meta"):
            adapted = peft.get_peft_model(model, made, autocast_adapter_dtype=False)
        trainable = sum(one.numel() for one in adapted.parameters() if one.requires_grad)
        assert counted == trainable, key


MIXTURES = ("qwen2_moe", "qwen3_moe, first layer dense", "granitemoe")
CALLED_ALL = {
    **{title: ODD[title] for title in MIXTURES},
    **{
        title: shallow(named(title))
        for title in (
            "Llama 3.2 1B",
            "Phi-3 mini 4K",
            "Gemma 2 2B",
            "Qwen3 30B-A3B",
            "Mixtral 8x7B",
            "gpt-oss 20B",
        )
    },
}


@pytest.mark.filterwarnings("ignore:The following")
@pytest.mark.parametrize("config", CALLED_ALL.values(), ids=CALLED_ALL.keys())
def test_all_linear_is_what_the_engine_adapts(config: dict[str, Any]) -> None:
    peft = pytest.importorskip("peft")
    from tuiftune.engine.model import adapters

    model = on_meta(config)
    made = adapters.config(model, "all-linear", [], r=8, lora_alpha=8, lora_dropout=0.0)
    with torch.device("meta"):
        adapted = peft.get_peft_model(model, made, autocast_adapter_dtype=False, low_cpu_mem_usage=True)
    trainable = sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
    assert count.adapter_parameters(architecture_of(config), 8) == trainable
    unadapted = [
        name
        for name, parameter in adapters.experts(on_meta(config)).items()
        if not any(
            name.rpartition(".")[0] in path for path, _ in adapted.named_parameters() if "lora_A" in path
        )
    ]
    assert not unadapted


def test_measured_adapter_size_of_llama_1b() -> None:
    """11,272,192 trainable parameters in every r16 all-linear run of the H200 calibration."""
    arch = architecture_of(named("Llama 3.2 1B"))
    assert count.adapter_parameters(arch, 16) == 11_272_192


def test_measured_adapter_size_of_a_mixture() -> None:
    """996,507,648 trainable parameters, experts and router included, on an H200 with PEFT 0.21.0."""
    arch = architecture_of(named("Qwen3 30B-A3B"))
    assert count.adapter_parameters(arch, 16) == 996_507_648
    assert count.adapter_parameters(arch, 16, "attention") == 13_369_344


def test_experts_are_counted_apart() -> None:
    arch = architecture_of(named("Qwen3 30B-A3B"))
    assert arch.expert_parameters == 48 * 128 * 3 * 2048 * 768
    assert count.quantizable_parameters(arch) + arch.expert_parameters < count.parameters(arch)
    assert 3.2e9 < count.active_parameters(arch) < 3.5e9


def test_catalogue_is_wide_and_says_licence_and_gating() -> None:
    entries = catalogue.entries()
    assert len({entry.title.removesuffix(" (base)") for entry in entries}) >= 50
    assert len({entry.id for entry in entries}) == len(entries)
    assert all(entry.licence for entry in entries)
    assert catalogue.find("meta-llama/llama-3.1-8b").gated  # type: ignore[union-attr]
    assert catalogue.find("Qwen/Qwen2.5-7B").gated is False  # type: ignore[union-attr]


def test_untuned_variants_may_read_further_or_less_far() -> None:
    def reach(hub_id: str) -> int:
        entry = catalogue.find(hub_id)
        assert entry is not None
        return entry.architecture.max_length

    assert (reach("Qwen/Qwen2.5-7B"), reach("Qwen/Qwen2.5-7B-Instruct")) == (131_072, 32_768)
    assert (reach("Qwen/Qwen3-8B-Base"), reach("Qwen/Qwen3-8B")) == (32_768, 40_960)
