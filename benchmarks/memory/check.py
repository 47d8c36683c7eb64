"""The shipped forms against whole traces of real shapes they were not made from.

    python benchmarks/memory/check.py [NAME…]        about ten seconds a shape on one core

Compares what a step adds to the weights (activations, gradients, head, scratch) at its peak.
"""

from __future__ import annotations

import sys
import time
import warnings

import stand_ins
import torch
import tracing
from tracing import Dimensions, Tracker, Variant

from tuiftune.models import catalogue
from tuiftune.plan import activations, head
from tuiftune.plan.settings import Settings

CASES: tuple[tuple[str, Variant, int, int, int], ...] = (  # model, variant, rank, micro batch, length
    ("Qwen/Qwen3-4B", Variant("qwen3"), 16, 2, 1024),
    ("Qwen/Qwen3-0.6B", Variant("qwen3", "full", checkpointing=False), 1, 4, 512),
    ("google/gemma-3-1b-pt", Variant("gemma3_text", "qlora"), 32, 2, 2048),
    ("google/gemma-2-2b", Variant("gemma2", checkpointing=False), 16, 1, 1024),
    ("microsoft/Phi-3-mini-4k-instruct", Variant("phi3", "dora"), 16, 2, 1024),
    ("allenai/OLMo-2-0425-1B", Variant("olmo2", checkpointing=False, dropout=True), 64, 4, 1024),
    ("Qwen/Qwen2.5-1.5B", Variant("llama", "lora", targets="attention"), 8, 8, 512),
    ("HuggingFaceTB/SmolLM2-1.7B", Variant("llama", "qlora", targets="qv", checkpointing=False), 16, 4, 1024),
    ("Qwen/Qwen3-1.7B", Variant("qwen3", "qlora", "master", checkpointing=False, dropout=True), 16, 2, 1024),
    ("HuggingFaceTB/SmolLM2-360M", Variant("llama", "qlora", "master"), 64, 4, 2048),
    ("HuggingFaceTB/SmolLM2-360M", Variant("llama", "qlora", "master", offloading=True), 64, 4, 2048),
    (
        "meta-llama/Llama-3.1-8B",
        Variant("llama", "qlora", "master", liger=True, offloading=True),
        16,
        4,
        2048,
    ),
    ("allenai/OLMo-2-0425-1B", Variant("olmo2", "lora", offloading=True), 64, 4, 1024),
)


def peak(tracker: Tracker) -> int:
    """The largest sum of live storages, in bytes."""
    events = [(s.born, s.size) for s in tracker.storages]
    events += [(s.died, -s.size) for s in tracker.storages if s.died is not None]
    now = most = 0
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return most


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    stand_ins.CHUNK, stand_ins.ROWS = head.TILE[1], head.TILE[0]
    worst = 0.0
    for name, variant, rank, micro, length in CASES:
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        entry = catalogue.find(name)
        if entry is None:
            sys.exit(f"{name} is not in the catalogue")
        arch = entry.architecture
        shape = Dimensions(
            micro, length, arch.hidden_size, arch.intermediate_size, arch.num_heads, arch.num_kv_heads,
            arch.head_dim, rank, arch.vocab_size, experts=1,
        )  # fmt: skip
        started = time.monotonic()
        traced = peak(tracing.step(variant, arch.num_layers, shape))
        settings = Settings(
            technique=variant.technique,
            micro_batch=micro,
            length=length,
            rank=rank,
            targets=variant.targets,
            dropout=0.05 if variant.dropout else 0.0,
            checkpointing=variant.checkpointing,
            activation_offloading=variant.offloading,
            kernels="liger" if variant.liger else "none",
            adapter_bytes=2 if variant.technique == "qlora" and variant.precision != "master" else 4,
            attention="sdpa" if arch.kind.sdpa else "eager",
        )
        parts, _ = activations.components(arch, settings, 0)
        formed = sum(parts.values()) - activations.WORKSPACE
        worst = max(worst, abs(formed / traced - 1))
        moved = "offloaded " if variant.offloading else ""
        print(
            f"{name:36} {variant.technique:6} {moved}traced {traced / 1e9:8.3f} GB, "
            f"forms {formed / 1e9:8.3f} GB, {formed / traced - 1:+.3%}  ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
    print(f"worst {worst:.3%}")


if __name__ == "__main__":
    main()
