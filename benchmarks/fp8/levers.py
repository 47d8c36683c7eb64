"""What single levers win: layers of an 8B shape with adapters, forward and backward.

    python benchmarks/fp8/levers.py [NAME;NAME]

Milliseconds a layer: with 8,192 tokens the GPU decides, with 128 the host that launches its work.
"""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from tuiftune.engine.model import fp8_base
from tuiftune.engine.training import optimizations

LAYERS, LENGTH = 2, 2048
NAMES = (
    "16 bit",
    "fp8",
    "fp8, adapters in bfloat16",
    "fp8, guards left out",
    "fp8, CUDA graphs",
    "fp8, recomputed",
)


def model_of(name: str) -> Any:
    config = LlamaConfig(
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=LAYERS,
        num_attention_heads=32,
        num_key_value_heads=8,
        vocab_size=512,
        rope_theta=500000.0,
        attn_implementation="sdpa",
    )
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
    if name.startswith("fp8"):
        fp8_base.hold(model, SimpleNamespace(reference="here"), "cuda", {}, keep=False)  # type: ignore[arg-type]
    adapted = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    for one in adapted.parameters():
        if one.requires_grad:
            one.data = one.data.to(torch.bfloat16 if "bfloat16" in name else torch.float32)
    optimizations.checkpoint_activations(adapted, int("recomputed" in name))
    for layer in optimizations.decoder_layers(adapted):
        layer.compile(**({"mode": "reduce-overhead"} if "graphs" in name else {}))
    return adapted.train()


def timed(model: Any, rows: int, length: int, name: str) -> float:
    hidden = torch.randn(rows, length, 4096, device="cuda", dtype=torch.bfloat16)
    core = model.get_base_model().model
    lean = "bfloat16" in name

    def step() -> None:
        given = hidden.detach().requires_grad_()
        if "graphs" in name:
            torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast("cuda", torch.bfloat16, enabled=not lean):
            core(inputs_embeds=given, use_cache=False).last_hidden_state.sum().backward()

    for _ in range(4):
        step()
        model.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    stance = torch.compiler.set_stance("default", skip_guard_eval_unsafe="guards" in name)
    taken = []
    with stance:
        for _ in range(12):
            began = time.perf_counter()
            step()
            torch.cuda.synchronize()
            taken.append(time.perf_counter() - began)
            model.zero_grad(set_to_none=True)
    return round(sorted(taken)[len(taken) // 2] * 1000 / LAYERS, 3)


def profile(model: Any) -> None:
    """The host's time by operation, with few tokens."""
    hidden = torch.randn(1, 128, 4096, device="cuda", dtype=torch.bfloat16)
    core = model.get_base_model().model

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            core(inputs_embeds=hidden.detach().requires_grad_(), use_cache=False)[0].sum().backward()

    for _ in range(4):
        step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        for _ in range(5):
            step()
        torch.cuda.synchronize()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=60))


def main() -> None:
    names = sys.argv[1].split(";") if len(sys.argv) > 1 else NAMES
    for name in names:
        torch._dynamo.reset()
        began, found = time.monotonic(), {}
        try:
            model = model_of(name)
            before = torch.cuda.memory_allocated()
            found["few"] = timed(model, 1, 128, name)
            torch._dynamo.reset()
            torch.cuda.reset_peak_memory_stats()
            found["many"] = timed(model, 4, LENGTH, name)
            found["gib"] = round((torch.cuda.max_memory_allocated() - before) / 2**30, 2)
        except Exception as fault:  # what a lever fails with is a result
            found["failed"] = str(fault).splitlines()[0][:200]  # type: ignore[assignment]
        print(json.dumps({"name": name, **found, "seconds": round(time.monotonic() - began)}), flush=True)
        if name == "fp8" and "few" in found:
            profile(model)
        model = None
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
