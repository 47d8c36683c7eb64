"""IA3: PEFT's vectors over keys, values and the inputs of the MLP's last layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tuiftune.engine.model import adapters
from tuiftune.engine.techniques.base import Adapter
from tuiftune.techniques.ia3 import scaled

if TYPE_CHECKING:
    from tuiftune.engine.training.settings import Settings


class Scales(Adapter):
    def config(self, model: Any, settings: Settings) -> Any:
        from peft import IA3Config
        from transformers.pytorch_utils import Conv1D

        linear = adapters.linear_layers(model)
        names = {path.rpartition(".")[2] for path in linear}
        outputs, inputs = scaled(names, experts=bool(adapters.experts(model)))
        wanted = [path for path in linear if path.rpartition(".")[2] in (*outputs, *inputs)]
        return IA3Config(
            task_type=adapters.task_of(model),
            target_modules=_pattern(wanted),
            feedforward_modules=_pattern([path for path in wanted if path.rpartition(".")[2] in inputs]),
            fan_in_fan_out=any(isinstance(linear[path], Conv1D) for path in wanted),
        )


def _pattern(paths: list[str]) -> str:
    """The paths as one regular expression, with any number for that of a layer."""
    any_layer = {r"\.\d+\.".join(map(re.escape, re.split(r"\.\d+\.", path))) for path in paths}
    return "|".join(sorted(any_layer)) or "(?!)"


APPLIED = Scales()
