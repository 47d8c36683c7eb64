"""The adapter as servers that hold several adapters of one base model take it: PEFT's files."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy.base import Facts, Form, Target

if TYPE_CHECKING:
    from pathlib import Path

# What vLLM takes as --max-lora-rank, and what it refuses of an adapter: vllm/config/lora.py and
# vllm/lora/peft_helper.py (vLLM 0.11, October 2025).
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
LOW_RANK = "LORA"  # PEFT's name of them
MERGE = "export the whole model: --to merged"


def refuses(facts: Facts, form: Form) -> tuple[str, str] | None:
    """What vLLM and SGLang refuse of an adapter."""
    del form
    adapter = facts.adapter
    if not adapter:
        return "the result is a whole model and has no adapter", MERGE
    if adapter.get("peft_type", LOW_RANK) != LOW_RANK:
        return f"servers take low-rank adapters only, and this is {facts.technique}", MERGE
    if adapter.get("use_dora"):
        return "servers refuse DoRA adapters: their magnitudes have no place in vLLM or SGLang", MERGE
    if facts.scores:
        return (
            "a reward model answers with a number, and servers of adapters write text",
            "use result/ of the run",
        )
    if saved := adapter.get("modules_to_save"):
        return f"servers refuse adapters with whole modules in them ({', '.join(map(str, saved))})", MERGE
    if adapter.get("target_parameters"):
        return "servers do not load PEFT's adapters of a mixture's experts", MERGE
    if adapter.get("rank_pattern") or adapter.get("alpha_pattern"):
        return "servers scale every layer by one rank, and this adapter has several", MERGE
    if facts.rank > RANKS[-1]:
        return f"rank {facts.rank} is above {RANKS[-1]}, the highest that vLLM takes", MERGE
    return None


def lora_rank(facts: Facts) -> int:
    """The smallest --max-lora-rank that holds the adapter."""
    return next((rank for rank in RANKS if rank >= facts.rank), RANKS[-1])


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that serve the adapter on its base model."""
    del form
    base, here = shlex.quote(str(facts.source or facts.base)), shlex.quote(str(directory))
    return [
        f"vllm serve {base} --enable-lora --max-lora-rank {lora_rank(facts)} --lora-modules "
        f"{shlex.quote(facts.name)}={here}",
        f"python -m sglang.launch_server --model-path {base} --lora-paths {shlex.quote(facts.name)}={here}",
    ]


TARGET = Target(
    key="adapter",
    name="Adapter",
    order=20,
    does="the adapter alone, as servers load several of one base model",
    writer="adapter",
    forms=(Form("auto", 16, "as it was trained"),),
    answers="adapter",
    use=use,
    refuses=refuses,
    not_run="vLLM and SGLang pin another PyTorch; the adapter is verified with PEFT",
    loader="peft",
    share=0.1,
)
