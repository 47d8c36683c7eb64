"""Base models whose files are quantized already: what loads them here, and what trains on them.

From transformers 5.24's quantizers (`is_trainable`, `validate_environment`, `merge_quantization_configs`).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.techniques.base import NF4, NONE

if TYPE_CHECKING:
    from tuiftune.models.reference import BaseModel

# The modules that each needs; () where transformers alone reads it, in 16 bit if it has to.
NEEDS: dict[str, tuple[str, ...]] = {
    "aqlm": ("aqlm",),
    "awq": ("gptqmodel",),
    "bitnet": (),
    "bitsandbytes": ("bitsandbytes",),
    "compressed-tensors": ("compressed_tensors",),
    "eetq": ("kernels",),
    "fouroversix": ("fouroversix",),
    "fp8": (),
    "fp_quant": ("fp_quant",),
    "gptq": ("optimum", "gptqmodel"),
    "hqq": ("hqq",),
    "mxfp4": (),
    "mxfp8": (),
    "quanto": ("optimum",),
    "sinq": ("sinq",),
    "torchao": ("torchao",),
}
UNTRAINED = frozenset(
    ("auto-round", "fbgemm_fp8", "gemma", "gguf", "higgs", "metal", "nvfp4", "quark", "spqr", "vptq")
)
READ_IN_16_BIT = frozenset({"fp8", "mxfp4", "mxfp8"})  # so that all of it can be trained
AGAIN = "bitsandbytes"  # alone may be asked for again
_OTHER = "name the original, unquantized model"


def check(model: BaseModel, *, adapters: bool, to: str, here: bool) -> None:
    """UserError where files of this form cannot be trained on: at all, for want of a package `here`, without
    `adapters`, or quantized again `to` what the technique has it in.
    """
    form = model.quantization
    if form is None:
        return
    name, place = printable(form)[:40], model.reference
    if form in UNTRAINED or form not in NEEDS:
        why = "does not train" if form in UNTRAINED else "does not know"
        raise UserError(
            f"its weights are quantized ({name}), a format that transformers {why}",
            place=place,
            remedy=_OTHER,
        )
    lacking = [module for module in NEEDS[form] if here and find_spec(module) is None]
    if lacking:
        raise UserError(
            f"its weights are quantized ({name}), and {' and '.join(lacking)} to read them with "
            f"{'is' if len(lacking) == 1 else 'are'} not installed",
            place=place,
            remedy="install them, or " + _OTHER,
        )
    if to != NONE and (to != NF4 or form != AGAIN):
        bits = "4 bits" if to == NF4 else "FP8"
        raise UserError(
            f"its weights are quantized already ({name}): they cannot be quantized to {bits} again",
            place=place,
            remedy=f"set {'method.technique: lora' if to == NF4 else 'model.quantization: none'}, or "
            + _OTHER,
        )
    if not adapters and form not in READ_IN_16_BIT:
        raise UserError(
            f"its weights are quantized ({name}): they stay frozen, so only adapters can be trained",
            place=place,
            remedy="set method.technique: lora, or " + _OTHER,
        )
