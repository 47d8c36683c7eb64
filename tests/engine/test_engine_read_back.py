"""What is trained is what the plain libraries read back: names that a loader changes, rows that it resets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tiny_families
import torch

from tuiftune import stages
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def on_meta(kind: str) -> Any:
    from tuiftune.engine.jobs.describe import on_meta

    return on_meta(tiny_families.config_of(kind).to_dict())


@pytest.mark.parametrize(("kind", "left"), [("laguna", "shared_experts"), ("mistral_large4", "experts")])
def test_no_adapter_is_trained_that_peft_would_lose(kind: str, left: str) -> None:
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    from tuiftune.engine.model import adapters

    model = on_meta(kind)
    made = adapters.config(model, "all-linear", [], r=2, lora_alpha=1, lora_dropout=0.0)
    adapted = get_peft_model(model, made, low_cpu_mem_usage=True)
    saved = get_peft_model_state_dict(adapted)
    assert saved
    assert not any(f".{left}." in name for name in saved)
    loaded = set_peft_model_state_dict(adapted, saved, low_cpu_mem_usage=True)
    assert not loaded.unexpected_keys
    assert not [name for name in loaded.missing_keys if "lora_" in name]


def test_a_model_none_of_whose_adapters_can_be_read_back_gets_none() -> None:
    from tuiftune.engine.jobs.describe import describe
    from tuiftune.engine.model import adapters
    from tuiftune.models import counted
    from tuiftune.models.kinds import kind_of
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan import limits
    from tuiftune.plan.device import Device
    from tuiftune.preset.schema import Preset
    from tuiftune.techniques import find

    with pytest.raises(UserError, match="cannot load adapters for any layer"):
        adapters.config(on_meta("unlimited_ocr"), "attention", [], r=2)
    config = tiny_families.config_of("unlimited_ocr").to_dict()
    found = describe(config)
    assert set(found["adapters"].values()) == {None}
    arch = counted._from(found, config, kind_of(config))
    preset = Preset.model_validate({"model": {"base": "x"}, "data": {"train": "y", "max_length": 64}})
    device = Device("cpu", "cpu", 1, 1, 1, 1.0, 1.0, 1.0, False, "detected")
    with pytest.raises(UserError, match="'unlimited_ocr'") as caught:
        limits.check(preset, BaseModel("x", arch, 1, "directory"), device, 1, find("lora"))
    assert caught.value.place == "method.technique"


def test_a_layer_of_several_inputs_gets_no_adapter() -> None:
    from tuiftune.engine.model import adapters

    found = adapters.passed_by(on_meta("deepseek_v4"))
    assert any(path.endswith("o_a_proj") for path in found)
    assert not any(path.endswith(("o_b_proj", "q_a_proj")) for path in found)


def test_a_row_that_its_loader_sets_to_zero_is_not_trained() -> None:
    from tuiftune.engine.model.base import hold_padding_row

    model = tiny_families.model_of("youtu")
    table = model.get_input_embeddings()
    assert table.weight is model.get_output_embeddings().weight
    hold_padding_row(model)
    ids = torch.arange(20)[None]
    model(input_ids=ids, labels=ids).loss.backward()
    assert table.weight.grad[table.padding_idx].abs().max() == 0
    assert table.weight.grad[table.padding_idx + 1].abs().max() > 0


@pytest.mark.parametrize("kind", ["emu3", "mllama"])
def test_a_wrapper_is_loaded_whole_where_its_causal_model_alone_could_not_be_loaded_again(kind: str) -> None:
    from tuiftune.engine.model.base import class_of

    assert class_of(tiny_families.config_of(kind)).__name__ == "AutoModelForImageTextToText"
    assert class_of(tiny_families.config_of("gemma3")).__name__ == "AutoModelForCausalLM"


@pytest.mark.parametrize(("kind", "auto"), [("mllama", "ImageTextToText"), ("llama", "CausalLM")])
@pytest.mark.parametrize("adapted", [True, False])
def test_the_card_names_the_class_that_loads_the_result(
    kind: str, auto: str, adapted: bool, tmp_path: Path
) -> None:
    from tuiftune.engine.export import result
    from tuiftune.engine.model.base import Base

    tiny_families.config_of(kind).save_pretrained(tmp_path)
    base = Base("m", str(tmp_path), None, None, remote_code=False)
    preset = SimpleNamespace(data=SimpleNamespace(system=None))
    settings = SimpleNamespace(adapted=adapted, stage=stages.every()["sft"], preset=preset)
    lines = result._use(settings, base)  # type: ignore[arg-type]
    peft = "AutoPeftModel" if adapted and auto == "CausalLM" else "AutoModel"
    assert any(f"{peft}For{auto}.from_pretrained(" in line for line in lines)
