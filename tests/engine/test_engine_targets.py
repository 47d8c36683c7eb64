"""What the engine gets adapters onto is what the plan counted: mixtures, wrappers with other towers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import tiny
import torch

from tuiftune.models import catalogue, count
from tuiftune.models.config import architecture_of

if TYPE_CHECKING:
    from pathlib import Path

CASES = [
    (title, targets)
    for title in ("Gemma 3 4B", "Qwen3 30B-A3B", "Qwen3 0.6B")
    for targets in ("all-linear", "attention", ["q_proj", "v_proj"])
]


def shallow(title: str) -> dict[str, Any]:
    config = next(entry.config for entry in catalogue.entries() if entry.title == title)
    inner = dict(config.get("text_config") or config) | {"num_hidden_layers": 2}
    inner.pop("layer_types", None)
    if "text_config" not in config:
        return inner
    return {**config, "text_config": inner, "vision_config": {"num_hidden_layers": 2}}


@pytest.mark.parametrize(("title", "targets"), CASES)
def test_adapters_go_where_the_plan_counts_them(title: str, targets: Any, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    from tuiftune.engine.techniques import applied
    from tuiftune.engine.training.settings import Settings
    from tuiftune.preset.schema import Preset

    config = shallow(title)
    preset = Preset.model_validate(tiny.resolved(tmp_path, tmp_path, method__target_modules=targets))
    settings = Settings(preset, {}, "cpu", None, "float32")
    kind = config["model_type"]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(kind, **{key: value for key, value in config.items() if key != "model_type"})
        )
        adapted = applied("lora").prepare(model, settings, tmp_path)
    trained = {name: one.numel() for name, one in adapted.named_parameters() if one.requires_grad}
    assert sum(trained.values()) == count.adapter_parameters(architecture_of(config), 8, targets)
    assert not [name for name in trained if "vision" in name]
