"""Linear layers whose frozen weight is held in FP8 and multiplied in it, forward and for the input gradient.

Numbers are e4m3 (Micikevicius et al., 2022, arXiv:2209.05433) with a float32 scale for each row of a weight,
each token of an input, and each token of a gradient. The input gradient takes the same copy of the weight:
its scales, which lie along the products' sum there, are folded into the gradient before that is rounded.
On a CPU the same roundings are computed in float32.
"""

from __future__ import annotations

from typing import Any

import torch

E4M3 = torch.float8_e4m3fn
LARGEST = 448.0  # of e4m3
CHUNK = 1 << 24  # elements that are rounded at once while a weight is converted
TOKENS = 512  # that are rounded at once while products are compared
LEAST = torch.finfo(torch.float32).tiny * LARGEST  # magnitude that a row is scaled by


def rounded(values: Any) -> tuple[Any, Any]:
    """Rows in e4m3 with their float32 scales: (rows, n) → (rows, n), (rows, 1). Their product is the row.

    The largest magnitude of a row becomes 448. A row of zeros stays one; infinity or NaN makes a row of NaN.
    """
    scale = values.abs().amax(dim=-1, keepdim=True).float().clamp(min=LEAST) / LARGEST
    return (values.float() / scale).clamp(-LARGEST, LARGEST).to(E4M3), scale


def multiply(inputs: Any, weight: Any, scale: Any) -> Any:
    """(tokens, in) @ (out, in)ᵀ in FP8 → (tokens, out), in the inputs' dtype. `scale`: (out, 1)."""
    tokens, their = rounded(inputs)
    if inputs.is_cuda:
        product = torch._scaled_mm(
            tokens,
            weight.t(),
            scale_a=their,
            scale_b=scale.t(),
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
        return _as(product, inputs.dtype)
    return _as(tokens.float() @ weight.float().t() * their * scale.t(), inputs.dtype)


def input_gradient(gradient: Any, weight: Any, scale: Any) -> Any:
    """(tokens, out) @ (out, in) in FP8 → (tokens, in), in the gradient's dtype."""
    return gradient_by(gradient, weight.t().contiguous().t() if gradient.is_cuda else weight, scale)


def gradient_by(gradient: Any, turned: Any, scale: Any) -> Any:
    """The same with the weight (out, in) in the layout that the product asks for: columns one by one."""
    tokens, their = rounded(gradient.float() * scale.t())
    if gradient.is_cuda:
        one = torch.ones(1, turned.shape[1], dtype=torch.float32, device=turned.device)
        product = torch._scaled_mm(
            tokens, turned, scale_a=their, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True
        )
        return _as(product, gradient.dtype)
    return _as(tokens.float() @ turned.float() * their, gradient.dtype)


def _as(product: Any, dtype: Any) -> Any:
    """In a dtype. Without a `to` that changes nothing: compiled by PyTorch 2.11, an autograd function whose
    output is an intermediate of it twice over gets no gradient, in silence.
    """
    return product if product.dtype == dtype else product.to(dtype)


class _Product(torch.autograd.Function):
    """A product with a frozen weight: nothing of the input is kept."""

    @staticmethod
    def forward(ctx: Any, inputs: Any, held: Any, scale: Any) -> Any:
        ctx.save_for_backward(held, scale)
        return multiply(inputs, held.view(E4M3), scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        held, scale = ctx.saved_tensors
        return input_gradient(gradients[0], held.view(E4M3), scale), None, None


class Fp8Linear(torch.nn.Linear):
    """A linear layer with a frozen weight in FP8. `original`: its 16-bit weight on the CPU, while that is
    wanted for a comparison; `shown`: that weight, or what became of it, takes the FP8 one's place.

    The weight is a byte tensor: PEFT, DDP and NCCL take bytes for what they are and leave them alone.
    """

    def __init__(self, weight: Any, bias: Any, device: Any, *, keep: bool = False) -> None:
        torch.nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        held = torch.empty(weight.shape, dtype=torch.uint8, device=device)
        scale = torch.empty(weight.shape[0], 1, dtype=torch.float32, device=device)
        self.lost = 0  # entries that are not zero, and are in FP8
        step = max(1, CHUNK // weight.shape[1])
        for start in range(0, weight.shape[0], step):
            part = weight[start : start + step].to(device)
            numbers, their = rounded(part)
            held[start : start + step], scale[start : start + step] = numbers.view(torch.uint8), their
            self.lost += int(((part != 0) & (numbers.float() == 0)).sum())
        self.weight = torch.nn.Parameter(held, requires_grad=False)
        self.register_buffer("scale", scale)
        self.bias = None if bias is None else torch.nn.Parameter(bias.to(device), requires_grad=False)
        self.original = weight if keep else None
        self.shown: Any = None

    def forward(self, inputs: Any) -> Any:
        kind = inputs.device.type
        if torch.is_autocast_enabled(kind):
            inputs = inputs.to(torch.get_autocast_dtype(kind))
        if self.shown is not None:
            return self.shown(self, inputs)
        if self.scale is None:  # in 16 bit again
            return torch.nn.functional.linear(inputs, self.weight, self.bias)
        found = _Product.apply(inputs.reshape(-1, self.in_features), self.weight, self.scale)
        found = found.reshape(*inputs.shape[:-1], self.out_features)
        return found if self.bias is None else found + self.bias.to(found.dtype)

    def in_16_bit(self) -> None:
        """Take the 16-bit weight back, for good."""
        assert self.original is not None
        self.weight = torch.nn.Parameter(self.original.to(self.weight.device), requires_grad=False)
        self.scale = None

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {'16 bit' if self.scale is None else 'FP8'}"
