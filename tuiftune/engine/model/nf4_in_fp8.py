"""Linear layers whose frozen weight is held in NF4 and multiplied in FP8, forward and for the input gradient.

For each product the weight becomes e4m3 for as long as it takes, with a float32 scale a row that its blocks'
maxima give; inputs and gradients are rounded as those of a base in FP8 are (`fp8`). Compiled, one kernel
reads the four bits and writes the eight. The gradient's copy is written transposed, which its product asks
for.
"""

from __future__ import annotations

from typing import Any

import torch
from bitsandbytes.nn import Linear4bit

from tuiftune.engine.model import adapters, fp8
from tuiftune.engine.model.fp8_base import READ_AROUND
from tuiftune.engine.model.nf4 import BLOCK, VALUES
from tuiftune.plan.static import FP8_MULTIPLE

CODES = 256  # values of a byte
NESTED = 256  # blocks whose maxima share one scale (double quantization)
CHUNK = 1 << 22  # weights that become e4m3 at once where layers aren't compiled
FORM = "its weight is not stored as bytes of NF4 with double quantization"
SIZES = f"its input size is not a multiple of {BLOCK}, or its output size not of {FP8_MULTIPLE}"


class Nf4InFp8(Linear4bit):
    """bitsandbytes' layer in NF4 with double quantization, whose products run in FP8 while it is trained.

    `in_fp8`: whether they do, at other times as well; None: in training only.
    """

    in_fp8: bool | None
    packed: Any  # the four bits, as plain bytes: operations on bitsandbytes' own class take the host longer
    blocks: Any  # the largest magnitude of each block, as a byte: (blocks,)
    table: Any  # what a weight in e4m3 is made of in addition: see `_parts`
    scale: Any  # of a row in e4m3: (out, 1)

    def forward(self, x: Any) -> Any:
        if not (self.training if self.in_fp8 is None else self.in_fp8):
            return super().forward(x)
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        held, flat = self.held(), x.reshape(-1, self.in_features)
        if self.in_fp8 and not torch.is_grad_enabled():  # next to all that fits in training only
            weight = in_e4m3(*held, self.out_features)
            found = torch.cat([fp8.multiply(part, weight, self.scale) for part in flat.split(fp8.TOKENS)])
        else:
            found = _Product.apply(flat, self.scale, *held)
        found = found.reshape(*x.shape[:-1], self.out_features)
        return found if self.bias is None else found + self.bias.to(found.dtype)

    def held(self) -> tuple[Any, Any, Any]:
        """What its weight in e4m3 is made of."""
        return self.packed, self.blocks, self.table


def switch(model: Any) -> dict[str, str]:
    """Let the layers in NF4 of a model on its GPU multiply in FP8. Returns those that can't, with why: they
    stay as they are.
    """
    around, left = adapters.passed_by(model), dict[str, str]()
    values: Any = None
    for path, layer in adapters.linear_layers(model).items():
        if type(layer) is not Linear4bit:
            continue
        values = torch.tensor(VALUES, device=layer.weight.device) if values is None else values
        if path in around:
            left[path] = READ_AROUND
        elif not turn(layer, values):
            left[path] = _unfit(layer)
    return left


def _unfit(layer: Linear4bit) -> str:
    """Why a layer can't multiply in FP8, or "". Files that are quantized already have a form of their own."""
    state = layer.weight.quant_state
    nested = state.nested and state.state2.blocksize == NESTED and state.blocksize == BLOCK
    if not nested or state.quant_type != "nf4" or layer.weight.dtype != torch.uint8:
        return FORM
    return SIZES if layer.in_features % BLOCK or layer.out_features % FP8_MULTIPLE else ""


def turn(layer: Linear4bit, values: Any) -> bool:
    """Make one layer multiply in FP8, if its form and sizes allow that. `values`: NF4's, on its device."""
    if _unfit(layer):
        return False
    state, rows = layer.weight.quant_state, layer.out_features
    largest = _largest(state.absmax, state.state2.absmax, state.state2.code, state.offset)
    scale = largest.reshape(rows, -1).amax(1, keepdim=True).clamp(min=fp8.LEAST) / fp8.LARGEST
    layer.__class__ = Nf4InFp8
    layer.in_fp8 = None
    layer.packed = layer.weight.data.as_subclass(torch.Tensor)
    parts = (values, state.state2.code, scale.flatten(), state.state2.absmax, state.offset.reshape(1))
    for name, one in (
        ("blocks", state.absmax),
        ("table", torch.cat([part.float() for part in parts])),
        ("scale", scale),
    ):
        layer.register_buffer(name, one, persistent=False)
    return True


def _parts(table: Any, rows: int) -> tuple[Any, ...]:
    """A layer's float32 table: NF4's values (16,), what a byte of a block's maximum stands for (256,), the
    rows' scales (out, 1), what maxima share (blocks / 256,), and what is added to them (1,).

    One tensor, since each that a layer keeps for its backward pass costs the host time; of its own, scales
    included: a compiler that sees the weights of two layers read the same numbers makes one kernel of both,
    which took sixteen times as long on an H200 (`benchmarks/speed`).
    """
    values, code, scale, maxima, middle = table.split(
        [len(VALUES), CODES, rows, len(table) - len(VALUES) - CODES - rows - 1, 1]
    )
    return values, code, scale[:, None], maxima, middle


def in_e4m3(packed: Any, blocks: Any, table: Any, rows: int, *, turned: bool = False) -> Any:
    """A weight of so many rows in e4m3, by their scales: (out, in), or (in, out) where it is turned.

    Where nothing is compiled, a part of the rows at a time.
    """
    width = 2 * packed.numel() // rows
    if torch.compiler.is_compiling() or rows * width <= CHUNK:
        return _e4m3(packed, blocks, table, rows, turned)
    made = torch.empty((width, rows) if turned else (rows, width), dtype=fp8.E4M3, device=packed.device)
    step = max(1, CHUNK // width)
    for start in range(0, rows, step):
        part = _e4m3(packed, blocks, table, rows, turned, slice(start, start + step))
        made[(slice(None), slice(start, start + step)) if turned else slice(start, start + step)] = part
    return made


def _e4m3(packed: Any, blocks: Any, table: Any, rows: int, turned: bool, part: slice = slice(None)) -> Any:
    values, code, scale, maxima, middle = _parts(table, rows)
    numbers, scale = packed.reshape(rows, -1, 1)[part], scale[part]
    share = (_largest(blocks, maxima, code, middle).reshape(rows, -1)[part] / scale)[:, :, None]
    ahead = 4 - 4 * torch.arange(2, device=packed.device, dtype=torch.uint8)  # the first is in the high bits
    if turned:  # from the start, so that a compiler takes neither for a part of the other, and keeps it
        numbers, share = numbers.permute(1, 2, 0), share.permute(1, 2, 0)
        each = values[((numbers >> ahead[None, :, None]) & 15).int()].reshape(-1, BLOCK, len(scale))
        return (each * share).to(fp8.E4M3).reshape(-1, len(scale))
    each = values[((numbers >> ahead) & 15).int()].reshape(len(scale), -1, BLOCK)
    return (each * share).to(fp8.E4M3).reshape(len(scale), -1)


def _largest(blocks: Any, maxima: Any, code: Any, middle: Any) -> Any:
    """The largest magnitude of each block: bytes (blocks,) → float32 (blocks,)."""
    shared = torch.arange(blocks.numel(), device=blocks.device) // NESTED
    return code[blocks.int()] * maxima[shared] + middle


class _Product(torch.autograd.Function):
    """A product with a frozen weight: nothing of the input is kept, nor of the weight in e4m3."""

    @staticmethod
    def forward(ctx: Any, inputs: Any, scale: Any, packed: Any, blocks: Any, table: Any) -> Any:
        ctx.save_for_backward(scale, packed, blocks, table)
        return fp8.multiply(inputs, in_e4m3(packed, blocks, table, scale.shape[0]), scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        scale, packed, blocks, table = ctx.saved_tensors
        weight = in_e4m3(packed, blocks, table, scale.shape[0], turned=True)
        return fp8.gradient_by(gradients[0], weight.t(), scale), None, None, None, None
