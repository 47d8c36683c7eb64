"""A base that a loader would mend by itself is refused with its tensors' names, before the first step."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from transformers.models.auto import modeling_auto

from tuiftune.data.example import Example
from tuiftune.engine.export.answering.whole import Whole
from tuiftune.engine.export.opened import Rows
from tuiftune.engine.model import base as bases
from tuiftune.engine.model.tokenizer import RowTokenizer
from tuiftune.engine.stages.base import stage
from tuiftune.engine.stages.reward_model import RewardModel
from tuiftune.engine.training.rows import nothing_left
from tuiftune.engine.training.settings import Settings
from tuiftune.errors import UserError
from tuiftune.models import kinds
from tuiftune.preset.schema import Preset
from tuiftune.rewards.model import OfModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UP = "model.layers.1.mlp.up_proj.weight"


def load(model: Path, technique: str = "lora", dtype: str = "float32") -> Any:
    values = tiny.resolved(model, model, method__technique=technique, model__dtype=dtype)
    settings = Settings(Preset.model_validate(values), {}, "cpu", None, "auto")
    return bases.load_model(bases.find(settings), settings, "cpu")


def test_a_reward_model_without_a_head_is_no_reward(model: Path, tmp_path: Path) -> None:
    """Its loader would make one of random numbers."""
    other = tmp_path / "scores"
    shutil.copytree(model, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "id2label": {"0": "score"}}))
    tokenizer = bases.load_tokenizer(bases.Base(str(other), str(other), None, None, remote_code=False))
    with pytest.raises(UserError, match=r"it has no weights score\.weight"):
        RewardModel(OfModel(other, "method.rewards"), tokenizer, "cpu", torch.float32)


def test_why_no_row_is_left_is_told() -> None:
    said = [str(nothing_left("training", 4, told)) for told in ({}, {"sides_equal": 4}, {"sides_equal": 3})]
    assert ["two answers are equal" in one for one in said] == [False, True, False]


def test_the_kinds_without_a_score_head_are_those_of_transformers() -> None:
    known = modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    found = [
        kinds.kind_of({"model_type": name}) for name in ("llama", "qwen3", "gemma3_text", "mamba", "granite")
    ]
    assert [kind.scores for kind in found] == [True, True, True, False, False]
    table = json.loads(files("tuiftune.models").joinpath("kinds.json").read_text(encoding="utf-8"))
    listed = {*table["tested"], *table["untested"]}
    assert sorted(listed - known.keys()) == sorted(table["no score head"])


def test_the_prompt_of_a_document_is_its_beginning(model: Path) -> None:
    """Exports of a pre-training run were compared with a chat of nothing, and never passed."""
    base = bases.Base(str(model), str(model), None, None, remote_code=False)
    tokenizer = RowTokenizer(bases.load_tokenizer(base), max_length=64, loss_on="assistant")
    document = Example(text="The door is red. The lamp is green. The cup is blue.", row=3)
    asked = stage("pretrain").questions([document], tokenizer, 1)
    rows = Rows(asked, {3: document}, {}, 8, False, 0)
    plain = torch.nn.Linear(1, 1)
    plain.dtype, plain.device = torch.float32, torch.device("cpu")  # type: ignore[assignment]
    assert Whole(plain, tokenizer, rows).prompt(3) == asked[0].tokens != []


def prefixed(tensors: dict[str, Any]) -> dict[str, Any]:
    return {f"module.{name}": one for name, one in tensors.items()}


def missing(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in tensors.items() if "layers.1.mlp" not in name}


def headless(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in tensors.items() if "norm" not in name}


def left_over(tensors: dict[str, Any]) -> dict[str, Any]:
    return {**tensors, "score.weight": torch.zeros(2, 64)}


def reshaped(tensors: dict[str, Any]) -> dict[str, Any]:
    return {**tensors, UP: torch.zeros(10, 64)}


def one_nan(tensors: dict[str, Any]) -> dict[str, Any]:
    poisoned = tensors[UP].clone()
    poisoned[3, 3] = float("nan")
    return {**tensors, UP: poisoned}


def one_infinite(tensors: dict[str, Any]) -> dict[str, Any]:
    return {**tensors, "model.norm.weight": torch.full((64,), float("inf"))}


def never_filled(tensors: dict[str, Any]) -> dict[str, Any]:
    """As a download leaves them that reserved its place on the disk and got no further."""
    return {name: torch.zeros_like(one) for name, one in tensors.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (prefixed, "module.model.embed_tokens.weight"),
        (missing, f"{UP} are missing"),
        (headless, "model.layers.0.input_layernorm.weight, model.layers.0.post_attention_layernorm.weight"),
        (left_over, "score.weight belongs to no part of the model"),
        (reshaped, f"{UP} has shape 10 × 64, the model needs 192 × 64"),
        (one_nan, f"NaN or infinite values: {UP}"),
        (one_infinite, "NaN or infinite values: model.norm.weight"),
        (never_filled, "the weights are zeros: model.embed_tokens.weight and "),
    ],
)
def test_what_a_loader_mends_is_an_error(
    change: Callable[[dict[str, Any]], dict[str, Any]], said: str, model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
    with pytest.raises(UserError) as caught:
        load(tmp_path / "model")
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_tied_heads_and_buffers_of_old_files_are_no_errors(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    assert "lm_head.weight" not in tensors, "it is tied"
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    save_file(tensors, path, metadata={"format": "pt"})
    assert load(tmp_path / "model").lm_head.weight.shape[1] == 64


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_is_trained_is_held_in_float32(dtype: str, model: Path) -> None:
    assert {one.dtype for one in load(model, "full", dtype).parameters()} == {torch.float32}
    assert {one.dtype for one in load(model, "lora", dtype).parameters()} == {getattr(torch, dtype)}


def test_a_library_that_the_weights_need_is_not_blamed_on_attention(model: Path, tmp_path: Path) -> None:
    packed = shutil.copytree(model, tmp_path / "packed")
    config = json.loads((packed / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 32}
    (packed / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="optimum") as fault:
        load(packed)
    assert (fault.value.exit_code, fault.value.place) == (2, str(packed))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rope_scaling": {"rope_type": "zorp", "factor": 2.0}}, "zorp"),
        ({"hidden_act": "zorp"}, "zorp"),
        ({"rms_norm_eps": "1e-5"}, "rms_norm_eps.*expected float"),
        (
            {
                "rope_parameters": None,
                "rope_scaling": {
                    "rope_type": "longrope",
                    "short_factor": [1.0] * 3,
                    "long_factor": [1.0] * 3,
                },
            },
            "broadcast",
        ),
        ({"_attn_implementation": "flash_attention_2"}, "Delete _attn_implementation"),
    ],
)
def test_a_config_that_its_code_cannot_build_is_one_line(
    change: dict[str, Any], said: str, model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=said) as caught:
        load(tmp_path / "model")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_an_adapter_next_to_a_model_is_not_added_silently(model: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    shutil.copytree(model, tmp_path / "model")
    settings = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    get_peft_model(load(model), settings).save_pretrained(tmp_path / "model")
    with pytest.raises(UserError, match="next to a model"):
        load(tmp_path / "model")
