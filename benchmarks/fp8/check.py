"""FP8 on a GPU, compiled and not: layers' outputs and gradients against float64 and against one another.

python benchmarks/fp8/check.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from tuiftune.engine.model import fp8

sys.path.insert(0, str(Path(__file__).parent))
from levers import model_of, optimizations


def off(found: Any, exact: Any) -> float:
    return round(float((found.detach().double() - exact.double()).norm() / exact.double().norm()), 5)


def ways(held: Any, scale: Any) -> dict[str, Any]:
    """Ways to write an input gradient's product, whose numbers must not depend on it."""
    numbers = held.view(fp8.E4M3)

    def product(gradient: Any, turned: Any) -> Any:
        tokens, their = fp8.rounded(gradient.float() * scale.t())
        one = torch.ones(1, turned.shape[1], dtype=torch.float32, device="cuda")
        return torch._scaled_mm(
            tokens, turned, scale_a=their, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True
        )

    return {
        "as it is": lambda g: fp8.input_gradient(g, held.view(fp8.E4M3), scale),
        "in e4m3": lambda g: product(g, numbers.t().contiguous().t()),
        "bytes turned": lambda g: product(g, held.t().contiguous().t().view(fp8.E4M3)),
        "bytes viewed, then turned": lambda g: product(g, held.t().contiguous().view(fp8.E4M3).t()),
    }


def products(out: int, into: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(out, into, dtype=torch.bfloat16, device="cuda") / into**0.5
    inputs = torch.randn(1024, into, dtype=torch.bfloat16, device="cuda")
    gradient = torch.randn(1024, out, dtype=torch.bfloat16, device="cuda")
    layer = fp8.Fp8Linear(weight, None, "cuda")
    held, scale = layer.weight.data, layer.scale
    exact = gradient.double() @ weight.double()
    found: dict[str, Any] = {"out": out, "in": into}
    whole = inputs.double() @ weight.double().T
    found["forward"] = off(layer(inputs), whole)
    found["forward, compiled"] = off(torch.compile(layer, dynamic=False)(inputs), whole)
    for name, way in ways(held, scale).items():
        found[name] = off(way(gradient), exact)
        found[f"{name}, compiled"] = off(torch.compile(way, dynamic=False)(gradient), exact)
    print(json.dumps(found), flush=True)


def whole(name: str) -> None:
    """Adapters' gradients of two layers, compiled against not."""
    model = model_of(name)
    core = model.get_base_model().model
    for key, one in model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(one, std=0.02)
    torch.manual_seed(1)
    hidden = torch.randn(2, 1024, 4096, device="cuda", dtype=torch.bfloat16)
    towards = torch.randn(2, 1024, 4096, device="cuda", dtype=torch.bfloat16)
    taken = []
    for compiled in (True, False):
        given = hidden.detach().requires_grad_()
        model.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            if compiled:
                last = core(inputs_embeds=given, use_cache=False).last_hidden_state
            else:
                with optimizations.eager_layers(model):
                    last = core(inputs_embeds=given, use_cache=False).last_hidden_state
        last.backward(towards)
        grads = {key: one.grad.clone() for key, one in model.named_parameters() if one.grad is not None}
        taken.append({"output": last.detach(), "input": given.grad, **grads})
    differ = {key.split("layers.")[-1]: off(one, taken[1][key]) for key, one in taken[0].items()}
    worst = sorted(differ.items(), key=lambda pair: -pair[1])[:6]
    shown = {key: differ[key] for key in ("output", "input")}
    print(json.dumps({"model": name, **shown, "worst": worst}), flush=True)


if __name__ == "__main__":
    products(1024, 4096)
    products(14336, 4096)
    products(4096, 14336)
    for kind in ("16 bit", "fp8", "fp8, recomputed"):
        torch._dynamo.reset()
        whole(kind)
