"""FP8 on a GPU, compiled and not: layers' outputs and gradients against float64 and against one another.

python benchmarks/fp8/check.py [--products]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from tuiftune.engine.model import fp8, nf4, nf4_in_fp8

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


def over_nf4(out: int, into: int) -> None:
    """Products in FP8 of a weight in NF4, against those of the same four bits in float64."""
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    torch.manual_seed(0)
    kind = {"quant_type": "nf4", "compute_dtype": torch.bfloat16, "compress_statistics": True}
    layer: Any = Linear4bit(into, out, bias=False, **kind).cuda()
    assert nf4_in_fp8.turn(layer, torch.tensor(nf4.VALUES, device="cuda"))
    layer.in_fp8 = True
    held = layer.weight.data, *layer.held()
    exact = dequantize_4bit(layer.weight.data, layer.weight.quant_state).double()
    inputs = torch.randn(8192, into, dtype=torch.bfloat16, device="cuda")
    gradient = torch.randn(8192, out, dtype=torch.bfloat16, device="cuda")
    found: dict[str, Any] = {"nf4": True, "out": out, "in": into}
    for name, compiled in (("", False), (", compiled", True)):
        apply = torch.compile(layer, dynamic=False) if compiled else layer
        given = inputs.clone().requires_grad_()
        output = apply(given)
        output.backward(gradient)
        found["forward" + name] = off(output, inputs.double() @ exact.T)
        found["gradient" + name] = off(given.grad, gradient.double() @ exact)
    ways = {
        "e4m3": lambda: nf4_in_fp8.in_e4m3(*held),
        "turned": lambda: nf4_in_fp8.in_e4m3(*held, turned=True),
    }
    for name, way in ways.items():
        found[f"{name}, ms"] = took(torch.compile(way, dynamic=False))
    compiled = torch.compile(layer, dynamic=False)
    with torch.no_grad():
        found["forward, ms"] = took(lambda: compiled(inputs))
        layer.in_fp8 = False
        found["forward in 16 bit, ms"] = took(lambda: layer(inputs))
    print(json.dumps(found), flush=True)


def took(way: Any) -> float:
    """Milliseconds, the mean of 20."""
    for _ in range(3):
        way()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(20):
        way()
    end.record()
    torch.cuda.synchronize()
    return round(start.elapsed_time(end) / 20, 4)


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
    over_nf4(14336, 4096)
    over_nf4(4096, 14336)
    for kind in () if "--products" in sys.argv else ("16 bit", "fp8", "fp8, recomputed"):
        torch._dynamo.reset()
        whole(kind)
