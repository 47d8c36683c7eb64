"""The techniques: each file of this room that holds a `Technique` is one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tuiftune.options import Option, entries
from tuiftune.techniques.base import NF4, Technique

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO = "auto"


@functools.cache
def every() -> Mapping[str, Technique]:
    """Every technique by key, in the order they are listed in."""
    return entries("techniques", Technique)


@functools.cache
def find(key: str, quantization: str = AUTO) -> Technique:
    """A technique over a base model that is quantized as `model.quantization` says.

    LoRA over NF4 is QLoRA. ValueError, in words that follow `model.quantization`, where it can't be so.
    """
    found = every()[key]
    if quantization in (AUTO, found.base):
        return found
    if found.quantized or quantization != NF4:
        raise ValueError(f"is {quantization}, but {key} quantizes the base model to {found.base}")
    if found.nf4 is None:
        able = ", ".join(one.key for one in every().values() if one.nf4 or one.base == NF4)
        raise ValueError(f"is {quantization}, which {key} does not train over; {able} do")
    same = (one for one in every().values() if one.quantized and one.unquantized == key)
    return next(same, found.over_nf4())


def automatic(*, tiny: bool, quantization: str = AUTO, over: bool = True) -> tuple[Technique, ...]:
    """What the plan tries for `auto`, the best first. `tiny`: models whose training costs no more than
    adapters do. `over` False: not over a base model that would have to be quantized.
    """
    tiny = tiny and quantization != NF4
    able = (one for one in every().values() if one.automatic and one.adapters != tiny)
    return tuple(one for one in able if (over or not one.quantized) and quantization in (AUTO, one.base))


def options_of(key: str) -> tuple[Option, ...]:
    """The options that may stand with a technique; of `auto`, those of all that the plan may choose."""
    if key != AUTO:
        return every()[key].accepted
    first, *rest = (one.accepted for one in every().values() if one.automatic)
    return tuple(option for option in first if all(option in other for other in rest))
