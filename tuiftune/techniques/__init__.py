"""The techniques: each file of this room that holds a `Technique` is one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tuiftune.options import Option, entries
from tuiftune.techniques.base import FP8, NONE, Technique

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO = "auto"
# What people ask for that can't be had, and what to take instead.
_UNTRAINED = "it was not seen to train through TRL's trainer"
GONE = {
    "prefix_tuning": (_UNTRAINED, "use lora or ia3"),
    "prompt_tuning": (_UNTRAINED, "use lora or ia3"),
    "prefix": (_UNTRAINED, "use lora or ia3"),
    "prompt": (_UNTRAINED, "use lora or ia3"),
    "trainable_tokens": (_UNTRAINED, "use lora with method.modules_to_save: [embeddings]"),
    "loftq": (
        "LoftQ needs a GPU, and its adapter belongs to a changed base model that only this run has",
        "use qlora, or pissa over 16-bit weights",
    ),
    "adalora": (
        "adapters of AdaLoRA cannot be loaded again once it has pruned their ranks",
        "use lora, or rslora for high ranks",
    ),
}


@functools.cache
def every() -> Mapping[str, Technique]:
    """Every technique by key, in the order they are listed in."""
    return entries("techniques", Technique)


def all_parameters(technique: str, parameters: int, trainable: int) -> int:
    """Parameters of a base model and of its adapters, which shares are taken of, as PEFT does."""
    known = every().get(technique)
    return parameters + trainable if known is not None and known.adapters else parameters


@functools.cache
def find(key: str, quantization: str = AUTO) -> Technique:
    """A technique over a base model that is quantized as `model.quantization` says.

    LoRA over NF4 is QLoRA. ValueError, in words that follow `model.quantization`, where it can't be so.
    """
    found = every()[key]
    if quantization in (AUTO, found.base):
        return found
    if found.quantized:
        raise ValueError(f"is {quantization}, but {key} quantizes the base model to {found.base}")
    if quantization not in found.bases:
        able = ", ".join(one.key for one in every().values() if quantization in one.bases)
        raise ValueError(f"is {quantization}, which {key} does not support; {able} do")
    same = (one for one in every().values() if one.base == quantization and one.unquantized == key)
    return next(same, found.over(quantization))


def automatic(
    *, tiny: bool, quantization: str = AUTO, over: bool = True, fp8: bool = False
) -> tuple[Technique, ...]:
    """What the plan tries for `auto`, the best first. `tiny`: models whose training costs no more than
    adapters do. `over` False: not over a base model that would have to be quantized. `fp8`: the GPU has it,
    whose rounding costs a quarter of what NF4's does (benchmarks/fp8).
    """
    tiny = tiny and quantization in (AUTO, NONE)
    able: list[Technique] = []
    for one in every().values():
        if one.automatic and one.adapters != tiny:
            able.append(one)
            if one.fp8 and (fp8 or quantization == FP8):
                able.append(one.over(FP8))
    return tuple(one for one in able if (over or not one.quantized) and quantization in (AUTO, one.base))


def options_of(key: str) -> tuple[Option, ...]:
    """The options that may stand with a technique; of `auto`, those of all that the plan may choose."""
    if key != AUTO:
        return every()[key].accepted
    first, *rest = (one.accepted for one in every().values() if one.automatic)
    return tuple(option for option in first if all(option in other for other in rest))
