"""What a card does differently from fake CPU tensors, allocated as the card's code allocates it."""

from __future__ import annotations

import types
from typing import Any
from unittest import mock

import torch
from torch import nn
from transformers import AttentionInterface

CHUNK = 8 * 409  # toy width of the vocabulary tile of the head; TRL 1.16 has 32768
ROWS = 1 << 30  # and tokens a tile, not limited in toys; TRL 1.16 has 4096
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "dense"]
OWN = ("base_layer", "default", "router", "gate")  # seen to elsewhere, or left in 16 bit
MLP = ["gate_proj", "up_proj", "down_proj", "gate_up_proj", "fc1", "fc2"]


class _Attention(torch.autograd.Function):
    """Fused attention without a mask: keeps query, key, value, output and a float32 a head and token."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        batch, heads, length, width = query.shape
        # Flash kernels lay their output out as batch, length, heads, width.
        out = query.new_empty(batch, length, heads, width).transpose(1, 2)
        sums = query.new_empty(batch, heads, length, dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, sums)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        query, key, value, _, sums = ctx.saved_tensors
        delta = torch.empty_like(sums)
        accumulated = query.new_empty(query.shape, dtype=torch.float32)
        grads = (torch.empty_like(query), torch.empty_like(key), torch.empty_like(value))
        del accumulated, delta
        return grads


def attention(model: nn.Module) -> None:
    def forward(
        module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **_: Any
    ) -> tuple[torch.Tensor, None]:
        if torch.is_autocast_enabled("cpu"):  # as for PyTorch's fused attention
            query, key, value = (one.to(torch.get_autocast_dtype("cpu")) for one in (query, key, value))
        out = _Attention.apply(query, key, value)
        return out.transpose(1, 2).contiguous(), None

    AttentionInterface.register("stand_in", forward)
    from transformers.masking_utils import AttentionMaskInterface

    AttentionMaskInterface.register("stand_in", lambda **_: None)
    model.config._attn_implementation = "stand_in"


class _Head(torch.autograd.Function):
    """TRL 1.16's ChunkedLogProbFunction as it allocates on a card (Triton folds the tiles in place)."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        number = hidden.shape[0]
        ctx.dtype = dtype
        statistics = [torch.empty(number) for _ in range(7)]
        tile = torch.empty(min(number, ROWS), CHUNK, dtype=dtype)
        result = torch.empty(number)
        log_z, entropy = torch.empty(number), torch.empty(number)
        ctx.save_for_backward(hidden, weight, log_z, entropy)
        del statistics, tile
        return result

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        hidden, weight, _, _ = ctx.saved_tensors
        grad_hidden = torch.empty(hidden.shape)
        grad_weight = torch.empty(weight.shape) if ctx.needs_input_grad[1] else None
        tile = torch.empty(min(hidden.shape[0], ROWS), CHUNK, dtype=ctx.dtype)
        weights = None if grad_weight is None else grad_weight.to(weight.dtype)
        result = grad_hidden.to(hidden.dtype), weights, None
        del tile
        return result


def head(hidden: torch.Tensor, weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The fused head on the scored positions, compacted as boolean indexing compacts them."""
    flat = hidden[:, :-1]
    places = torch.arange(flat.shape[0] * flat.shape[1])
    compact = flat.reshape(-1, flat.shape[-1])[places]
    return _Head.apply(compact, weight, dtype).sum()


class _FourBit(torch.autograd.Function):
    """bitsandbytes' MatMul4Bit: the weight is dequantised for the product and thrown away, both ways."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.weight = weight
        plain = torch.empty(weight.shape, dtype=x.dtype)
        out = torch.matmul(x, plain.t())
        del plain
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        plain = torch.empty(ctx.weight.shape, dtype=grad.dtype)
        out = torch.matmul(grad, plain)
        del plain
        return out, None


def four_bit(model: nn.Module, *, halve: bool = True) -> None:
    """Linears as bitsandbytes' and PEFT's 4-bit classes run them; adapters in bfloat16 where `halve`."""
    import peft.tuners.lora.bnb as variants
    from peft.tuners.lora.layer import Linear

    enabled = torch.is_autocast_enabled

    def product(self: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        out = _FourBit.apply(x.to(torch.bfloat16), self.weight)
        return out if self.bias is None else out + self.bias

    def adapted(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        # PEFT asks after the card's autocast: where there is none, it brings x to the adapter's own type.
        with mock.patch.object(torch, "is_autocast_enabled", lambda kind="cpu": enabled(kind)):
            return variants.Linear4bit.forward(self, x)

    for name, module in model.named_modules():
        if isinstance(module, Linear):
            module.forward = types.MethodType(adapted, module)
            module.base_layer.forward = types.MethodType(product, module.base_layer)
        elif type(module) is nn.Linear and "layers" in name and not name.endswith(OWN):
            module.forward = types.MethodType(product, module)
    if halve:
        halve_adapters(model)


def halve_adapters(model: nn.Module) -> None:
    """Adapters in bfloat16; DoRA's magnitudes stay."""
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and parameter.requires_grad and parameter.ndim == 2:
                module._parameters[name] = nn.Parameter(parameter.detach().to(torch.bfloat16))


class _Norm(torch.autograd.Function):
    """Liger's RMSNorm: keeps the input and a float32 a token; the gradient is written in place, or not."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, in_place: bool) -> torch.Tensor:
        out = torch.empty_like(x)
        ctx.save_for_backward(x, weight, torch.empty(x.shape[:-1]))
        ctx.in_place = in_place
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        _, weight, _ = ctx.saved_tensors
        given = grad if ctx.in_place else torch.empty_like(grad)
        return given, torch.empty_like(weight) if ctx.needs_input_grad[1] else None, None


class _Gate(torch.autograd.Function):
    """Liger's SiLU·up: keeps both inputs and writes their gradients over them."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        return torch.empty_like(gate)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = ctx.saved_tensors
        return gate, up


class _Rotary(torch.autograd.Function):
    """Liger's RoPE: rotates a contiguous copy in place, both ways."""

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(cos, sin)
        return _copy(query), _copy(key)

    @staticmethod
    def backward(ctx: Any, grad_q: torch.Tensor, grad_k: torch.Tensor) -> tuple[Any, ...]:
        return _copy(grad_q), _copy(grad_k), None, None


def _copy(x: torch.Tensor) -> torch.Tensor:
    """Liger's `x.transpose(1, 2).contiguous()`: a copy only where the heads are not already innermost."""
    inner = x.transpose(1, 2)
    return (inner.clone() if inner.is_contiguous() else inner.contiguous()).transpose(1, 2)


# Liger 0.8.5: models whose norms' gradients are needed after them, and norms that it leaves as they are.
NOT_IN_PLACE = frozenset({"gemma2", "gemma3_text", "olmo2"})
LEFT_ALONE = {"olmo2": ("q_norm", "k_norm")}


def liger(model: nn.Module) -> None:
    import sys

    family = model.config.model_type

    code = sys.modules[type(model).__module__]

    def rotary(q: Any, k: Any, cos: Any, sin: Any, *_: Any, **__: Any) -> Any:
        return _Rotary.apply(q, k, cos, sin)

    code.apply_rotary_pos_emb = rotary  # type: ignore[attr-defined]
    in_place = family not in NOT_IN_PLACE
    for name, module in model.named_modules():
        kind = type(module).__name__
        if kind.endswith("RMSNorm"):
            if name.endswith(LEFT_ALONE.get(family, ())):
                continue
            module.forward = types.MethodType(lambda self, x: _Norm.apply(x, self.weight, in_place), module)
        elif kind.endswith("MLP") and hasattr(module, "gate_proj"):
            module.forward = types.MethodType(
                lambda self, x: self.down_proj(_Gate.apply(self.gate_proj(x), self.up_proj(x))), module
            )
        elif kind.endswith("MLP") and hasattr(module, "gate_up_proj"):

            def fused(self: Any, x: torch.Tensor) -> torch.Tensor:
                gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
                return self.down_proj(_Gate.apply(gate, up))

            module.forward = types.MethodType(fused, module)


class _Dropout(torch.autograd.Function):
    """A card's fused dropout keeps one byte an element; the CPU's keeps the noise in the input's type."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        ctx.save_for_backward(torch.empty(x.shape, dtype=torch.bool))
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(grad)


def dropout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout) and module.p > 0:
            module.forward = _Dropout.apply  # type: ignore[method-assign]


class _Embedding(torch.autograd.Function):
    """A card sums an embedding's gradient in float32 rows a token, where there are more than 3,072 tokens."""

    @staticmethod
    def forward(ctx: Any, ids: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(ids)
        ctx.shape = weight.shape
        return weight.new_empty(*ids.shape, weight.shape[1])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[None, torch.Tensor]:
        out = grad.new_empty(ctx.shape)
        rows = grad.shape[0] * grad.shape[1]
        sums = torch.empty(rows, grad.shape[2]) if rows > 3072 else None
        del sums
        return None, out


def embedding(model: nn.Module) -> None:
    """For full tuning, where the embedding's weight has a gradient."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):

            def forward(self: Any, ids: torch.Tensor) -> torch.Tensor:
                out = _Embedding.apply(ids, self.weight)
                scale = getattr(self, "embed_scale", None)
                return out if scale is None else out * scale.to(self.weight.dtype)

            module.forward = types.MethodType(forward, module)
