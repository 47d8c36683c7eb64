"""A base model whose layers are brought to FP8, one after the other, and what stays in 16 bit of it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from transformers.pytorch_utils import Conv1D

from tuiftune.engine.model import adapters
from tuiftune.engine.model.base import check_numbers
from tuiftune.engine.model.fp8 import Fp8Linear
from tuiftune.errors import UserError
from tuiftune.plan.static import FP8_MULTIPLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.engine.model.base import Base
    from tuiftune.engine.process.report import Report

SIZES = f"its sizes are not multiples of {FP8_MULTIPLE}"
READ_AROUND = "the model reads its weight itself"
HUGE = "its largest weights round the others to zero"
MOST_LOST = 0.01  # of the entries of a weight that may be rounded to zero


def hold(model: Any, base: Base, device: str, again: Mapping[str, str], *, keep: bool) -> dict[str, str]:
    """Bring a model from the CPU to its device with its layers in FP8. Returns those in 16 bit, with why.

    `again`: layers that were found to overflow before. `keep`: leave the 16-bit weights of the others on the
    CPU, for a comparison. UserError where no layer can be in FP8, or the weights hold NaN or infinity.
    """
    where = torch.device("cuda", torch.cuda.current_device()) if device == "cuda" else torch.device("cpu")
    around, left = adapters.passed_by(model), dict(again)
    held = 0
    for path, layer in adapters.linear_layers(model).items():
        if path in left:
            continue
        transposed = isinstance(layer, Conv1D)
        if path in around or type(layer) not in (torch.nn.Linear, Conv1D):
            left[path] = READ_AROUND
        elif any(size % FP8_MULTIPLE for size in layer.weight.shape):
            left[path] = SIZES
        else:
            weight = layer.weight.detach()
            made = Fp8Linear(weight.t().contiguous() if transposed else weight, layer.bias, where, keep=keep)
            if made.lost > MOST_LOST * weight.numel():
                left[path] = HUGE
                continue
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, made)
            held += 1
    if not held:
        raise UserError(
            f"no layer of the model can be stored in FP8: {next(iter(left.values()), SIZES)}",
            place="model.quantization",
            remedy="use none or nf4",
        )
    model.to(where)
    check_numbers(model, base)
    return left


def layers(model: Any) -> dict[str, Fp8Linear]:
    """The layers in FP8, by path in the base model."""
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    return {
        name.removesuffix(".base_layer"): layer
        for name, layer in core.named_modules()
        if isinstance(layer, Fp8Linear) and layer.scale is not None
    }


def forget_originals(model: Any) -> None:
    """Give up the 16-bit weights that a comparison was to read."""
    for layer in model.modules():
        if isinstance(layer, Fp8Linear):
            layer.original = None


def say(left: Mapping[str, str], report: Report) -> None:
    """Warn of layers that stay in 16 bit, by name, layer numbers drawn together."""
    for why in dict.fromkeys(left.values()):
        names = Counter(re.sub(r"\.\d+\.", ".*.", path) for path, one in left.items() if one == why)
        shown = ", ".join(f"{name} ({count})" if "*" in name else name for name, count in names.items())
        report.warning("layers_in_16_bit", f"in 16 bits instead of FP8: {shown}; {why}")
