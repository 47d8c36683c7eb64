"""The whole model quantized by torchao, saved by transformers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.engine.export.merged import RESULTS
from tuiftune.engine.export.writers import merged
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.engine.export.opened import Opened

WHOLE = ".whole"  # of the directory that is written: the merged model, until it is quantized


def write(opened: Opened, into: Path, form: str, tell: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Write the model into a directory. Returns what the manifest says of it.

    UserError where the precision needs a GPU and there is none.
    """
    import torch
    import torchao
    from transformers import TorchAoConfig

    from tuiftune.engine.model import base as bases

    gpu = torch.cuda.is_available()
    if form in GPU and not gpu:
        raise UserError(
            f"{form} is computed on a GPU, and none is usable here", place="--quantize", remedy="int8"
        )
    whole = into / WHOLE
    whole.mkdir(exist_ok=True)
    merged.write(opened, whole, "bfloat16" if form in GPU else "auto", tell)
    tell("quantizing", 0, 0)
    config = opened.config()
    model = bases.class_of(config).from_pretrained(
        whole,
        dtype=torch.bfloat16 if gpu else "auto",
        quantization_config=TorchAoConfig(quant_type=_kind(form)),
        trust_remote_code=opened.base.remote_code,
        **({"device_map": {"": 0}} if gpu else {}),
    )
    model.save_pretrained(into)
    for path in paths.entries(whole):
        if path.name in RESULTS or not (path.suffix == ".safetensors" or path.name in WRITTEN):
            shutil.copyfile(path, into / path.name)
    shutil.rmtree(whole)
    return {"dtype": form, "torchao": torchao.__version__}


GPU = ("fp8", "int4")
WRITTEN = ("config.json", "model.safetensors.index.json")


def _kind(form: str) -> Any:
    from torchao.quantization import (
        Float8DynamicActivationFloat8WeightConfig,
        Int4WeightOnlyConfig,
        Int8WeightOnlyConfig,
        PerRow,
    )

    if form == "fp8":
        return Float8DynamicActivationFloat8WeightConfig(granularity=PerRow())
    return (
        Int4WeightOnlyConfig(group_size=128, int4_packing_format="tile_packed_to_4d")
        if form == "int4"
        else Int8WeightOnlyConfig()
    )
