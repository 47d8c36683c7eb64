"""FP8 products on a GPU against float64 and against bfloat16: error and time, for the shapes of an 8B layer.

python benchmarks/fp8/products.py
"""

from __future__ import annotations

import json
from typing import Any

import torch
from triton.testing import do_bench

from tuiftune.engine.model import fp8

SHAPES = {
    "q_proj": (4096, 4096),
    "k_proj": (1024, 4096),
    "up_proj": (14336, 4096),
    "down_proj": (4096, 14336),
}
TOKENS = 8192


def off(found: Any, exact: Any) -> float:
    return round(float((found.double() - exact).norm() / exact.norm()), 5)


def errors(tokens: int, out: int, into: int) -> dict[str, float]:
    """Relative error of a layer's output and input gradient, on the GPU and emulated on its CPU."""
    torch.manual_seed(tokens)
    weight = torch.randn(out, into, dtype=torch.bfloat16) / into**0.5
    inputs = torch.randn(tokens, into, dtype=torch.bfloat16)
    gradient = torch.randn(tokens, out, dtype=torch.bfloat16)
    exact = [
        inputs.cuda().double() @ weight.cuda().double().T,
        gradient.cuda().double() @ weight.cuda().double(),
    ]
    found = {}
    for name in ("cuda", "cpu"):
        layer = fp8.Fp8Linear(weight, None, name)
        given = inputs.to(name).requires_grad_()
        product = layer(given)
        product.backward(gradient.to(name))
        found[f"{name} forward"] = off(product.detach().cuda(), exact[0])
        found[f"{name} gradient"] = off(given.grad.cuda(), exact[1])
    found["bfloat16 forward"] = off(inputs.cuda() @ weight.cuda().T, exact[0])
    return found


def times(out: int, into: int) -> dict[str, float]:
    """Milliseconds, compiled: a product in FP8 with its roundings, and in bfloat16."""
    weight = torch.randn(out, into, dtype=torch.bfloat16, device="cuda") / into**0.5
    inputs = torch.randn(TOKENS, into, dtype=torch.bfloat16, device="cuda")
    gradient = torch.randn(TOKENS, out, dtype=torch.bfloat16, device="cuda")
    layer = fp8.Fp8Linear(weight, None, "cuda")
    held, scale = layer.weight.view(fp8.E4M3), layer.scale
    forward = torch.compile(lambda x: fp8.multiply(x, held, scale), dynamic=False)
    backward = torch.compile(lambda g: fp8.input_gradient(g, held, scale), dynamic=False)
    rounds = torch.compile(fp8.rounded, dynamic=False)
    numbers, their = fp8.rounded(inputs)

    def alone(fast: bool) -> Any:
        return torch._scaled_mm(
            numbers,
            held.t(),
            scale_a=their,
            scale_b=scale.t(),
            out_dtype=torch.bfloat16,
            use_fast_accum=fast,
        )

    timed = {
        "bf16": lambda: inputs @ weight.T,
        "bf16 gradient": lambda: gradient @ weight,
        "fp8": lambda: forward(inputs),
        "fp8 gradient": lambda: backward(gradient),
        "of it: rounding inputs": lambda: rounds(inputs),
        "of it: transposing": lambda: held.t().contiguous(),
        "fp8 product alone": lambda: alone(True),
        "the same, exact sums": lambda: alone(False),
    }
    return {
        name: round(do_bench(one, warmup=10, rep=40, return_mode="median"), 4) for name, one in timed.items()
    }


def main() -> None:
    print(torch.__version__, torch.cuda.get_device_name())
    for tokens in (1, 3, 17, 512):
        print(json.dumps({"tokens": tokens, **errors(tokens, 1024, 4096)}), flush=True)
    for name, (out, into) in SHAPES.items():
        print(json.dumps({"layer": name, **times(out, into)}), flush=True)


if __name__ == "__main__":
    main()
