"""The runs whose memory is predicted first and measured after: every family and technique at least once.

Three sets. The allowances in `plan/memory.py` were fitted after the first had been measured. The second has
models, sizes and settings that the first has not, the shorter windows of Gemma 3 and Phi-3, and families
that were not traced themselves (Granite, GLM-4, StarCoder 2). In the third, as the engine does now, what is
trained is held in float32 and computed in bfloat16: all weights, or the adapters over a 4-bit base.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """One measured run. `model` is a catalogue id; `length` in tokens a row; `micro_batch` rows."""

    model: str
    technique: str = "lora"
    rank: int = 16
    dropout: float = 0.0
    target_modules: str | tuple[str, ...] = "all-linear"
    micro_batch: int = 4
    length: int = 1024
    checkpointing: bool = True
    liger: bool = False
    optimizer: str = "adamw_torch_fused"
    master: bool = False  # what is trained in float32, under autocast: full fine-tuning, QLoRA's adapters

    @property
    def name(self) -> str:
        targets = (
            self.target_modules if isinstance(self.target_modules, str) else "+".join(self.target_modules)
        )
        marks = [
            f"r{self.rank}" if self.technique != "full" else "",
            f"d{self.dropout}" if self.dropout else "",
            targets if targets != "all-linear" else "",
            f"{self.micro_batch}x{self.length}",
            "" if self.checkpointing else "plain",
            "liger" if self.liger else "",
            self.optimizer if self.optimizer != "adamw_torch_fused" else "",
            "master" if self.master else "",
        ]
        return " ".join([self.model.split("/")[-1], self.technique, *filter(None, marks)])

    def row(self) -> dict[str, Any]:
        tuned = self.technique != "full"
        return {
            "name": self.name,
            "model": self.model,
            "technique": self.technique,
            "rank": self.rank if tuned else None,
            "lora_dropout": self.dropout if tuned else None,
            "target_modules": self.target_modules if tuned else None,
            "micro_batch": self.micro_batch,
            "seq_len": self.length,
            "activation_checkpointing": self.checkpointing,
            "liger": self.liger,
            "optim": self.optimizer,
            **({"master": True} if self.master else {}),
        }


ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def first() -> list[Run]:
    """In the order in which they are measured: a few of each kind first, so that a short lease sees all."""
    return [
        Run("Qwen/Qwen2.5-0.5B"),
        Run("HuggingFaceTB/SmolLM2-1.7B", checkpointing=False),
        Run("google/gemma-2-2b", micro_batch=2),
        Run("google/gemma-3-1b-pt", micro_batch=2, length=2048),
        Run("microsoft/Phi-3-mini-4k-instruct", micro_batch=2),
        Run("allenai/OLMo-2-0425-1B", technique="full"),
        Run("Qwen/Qwen3-4B", technique="qlora", length=2048, micro_batch=2),
        Run("mistralai/Mistral-7B-v0.3", rank=32, dropout=0.05, micro_batch=2),
        Run("Qwen/Qwen2.5-1.5B", technique="dora"),
        Run("Qwen/Qwen3-0.6B", technique="full", optimizer="adamw_8bit", checkpointing=False),
        Run("meta-llama/Llama-3.2-3B", checkpointing=False, micro_batch=2),
        Run("HuggingFaceTB/SmolLM2-360M", technique="full", micro_batch=8, checkpointing=False),
        Run(
            "Qwen/Qwen2.5-7B",
            technique="qlora",
            rank=64,
            micro_batch=2,
            length=2048,
            optimizer="paged_adamw_8bit",
        ),
        Run("google/gemma-2-2b", technique="qlora", micro_batch=1, length=2048),
        Run("Qwen/Qwen3-8B", liger=True, micro_batch=2, length=2048),
        Run("Qwen/Qwen2.5-1.5B", target_modules=ATTENTION, checkpointing=False),
        Run("HuggingFaceTB/SmolLM2-1.7B", target_modules=("q_proj", "v_proj"), rank=8),
        Run("google/gemma-3-1b-pt", technique="full", micro_batch=1, length=2048),
        Run("microsoft/Phi-3-mini-4k-instruct", technique="qlora", micro_batch=4),
        Run("allenai/OLMo-2-0425-1B", checkpointing=False, dropout=0.05),
        Run("meta-llama/Llama-3.2-3B", technique="full", optimizer="adamw_8bit"),
        Run("Qwen/Qwen3-0.6B", micro_batch=16, length=512),
        Run("Qwen/Qwen3-4B", checkpointing=False, micro_batch=1, length=2048),
        Run("Qwen/Qwen2.5-0.5B", technique="full", liger=True, checkpointing=False),
        Run("meta-llama/Llama-3.2-3B", technique="dora", micro_batch=2),
        Run("Qwen/Qwen2.5-7B", micro_batch=1, length=4096),
        Run("mistralai/Mistral-7B-v0.3", technique="qlora", checkpointing=False, micro_batch=1, length=2048),
        Run("google/gemma-2-2b", checkpointing=False, micro_batch=1, length=1024),
        Run("HuggingFaceTB/SmolLM2-360M", rank=128, micro_batch=8),
        Run("Qwen/Qwen2.5-1.5B", technique="qlora", checkpointing=False, dropout=0.05),
        Run("Qwen/Qwen3-0.6B", technique="dora", checkpointing=False),
        Run("meta-llama/Llama-3.1-8B", technique="lora", micro_batch=4, length=2048),
        Run("Qwen/Qwen2.5-1.5B", liger=True, checkpointing=False),
        Run("Qwen/Qwen2.5-0.5B", technique="qlora", micro_batch=8, liger=True),
        Run("HuggingFaceTB/SmolLM2-1.7B", technique="full", optimizer="paged_adamw_8bit", micro_batch=2),
        Run("allenai/OLMo-2-0425-1B", technique="qlora", rank=32, length=2048),
        Run("google/gemma-3-1b-pt", checkpointing=False, micro_batch=2),
        Run("microsoft/Phi-3-mini-4k-instruct", checkpointing=False, micro_batch=1),
        Run("Qwen/Qwen3-8B", technique="qlora", micro_batch=1, length=8192),
        Run("meta-llama/Llama-3.2-3B", micro_batch=1, length=16384),
        Run("Qwen/Qwen2.5-1.5B", technique="full", micro_batch=4, length=512),
        Run("mistralai/Mistral-7B-v0.3", liger=True, checkpointing=False, micro_batch=1, length=2048),
        Run("Qwen/Qwen3-30B-A3B", micro_batch=1),
        Run("Qwen/Qwen3-30B-A3B", technique="qlora", micro_batch=1),
    ]


def second() -> list[Run]:
    """Models, sizes and settings that the first set has not."""
    return [
        Run("meta-llama/Llama-3.2-1B", length=2048),
        Run("Qwen/Qwen3-1.7B", technique="qlora", liger=True),
        Run("google/gemma-3-1b-pt"),
        Run("microsoft/Phi-3-mini-4k-instruct", micro_batch=1, length=4096),
        Run("allenai/OLMo-2-1124-7B", micro_batch=2),
        Run("mistralai/Mistral-Nemo-Base-2407", technique="qlora", micro_batch=2, length=2048),
        Run("google/gemma-2-9b", micro_batch=1),
        Run("HuggingFaceTB/SmolLM3-3B-Base", micro_batch=2, length=2048),
        Run("Qwen/Qwen3-30B-A3B", target_modules=ATTENTION, micro_batch=1, length=2048),
        Run("meta-llama/Llama-3.1-8B", technique="dora", micro_batch=2),
        Run("TinyLlama/TinyLlama-1.1B-Chat-v1.0", technique="full"),
        Run("Qwen/Qwen2.5-7B", technique="qlora", micro_batch=2, length=1024),
        Run("google/gemma-2-2b", technique="qlora", micro_batch=2),
        Run("ibm-granite/granite-3.3-2b-base", micro_batch=2),
        Run(
            "meta-llama/Llama-2-7b-hf",
            rank=8,
            target_modules=("q_proj", "v_proj"),
            dropout=0.05,
            micro_batch=2,
        ),
        Run("meta-llama/Llama-2-7b-hf", technique="qlora"),
        Run(
            "meta-llama/Llama-3.1-8B",
            technique="qlora",
            rank=32,
            checkpointing=False,
            micro_batch=1,
            length=2048,
        ),
        Run("HuggingFaceTB/SmolLM2-135M", technique="full", micro_batch=16, length=512),
        Run("HuggingFaceTB/SmolLM2-1.7B", technique="qlora", liger=True, length=2048),
        Run("01-ai/Yi-1.5-9B", target_modules=ATTENTION, micro_batch=2),
        Run("mistralai/Mistral-Nemo-Base-2407", micro_batch=1, length=2048),
        Run("mistralai/Mistral-7B-v0.3", technique="full", optimizer="adamw_8bit", micro_batch=1),
        Run("mistralai/Mistral-Small-24B-Base-2501", technique="qlora", micro_batch=1, length=2048),
        Run("Qwen/Qwen2.5-3B", liger=True, checkpointing=False, micro_batch=2),
        Run("Qwen/Qwen2.5-14B", technique="qlora", micro_batch=1, length=4096),
        Run("Qwen/Qwen2.5-32B", technique="qlora", micro_batch=1),
        Run("Qwen/Qwen2.5-0.5B", technique="dora", micro_batch=8),
        Run("Qwen/Qwen2.5-3B", technique="full", optimizer="paged_adamw_8bit", micro_batch=2),
        Run(
            "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
            dropout=0.05,
            checkpointing=False,
            micro_batch=2,
            length=2048,
        ),
        Run("Qwen/Qwen3-1.7B"),
        Run("Qwen/Qwen3-4B", technique="full", optimizer="adamw_8bit", micro_batch=2),
        Run("Qwen/Qwen3-14B", micro_batch=1),
        Run("Qwen/Qwen3-0.6B", target_modules=ATTENTION, checkpointing=False, micro_batch=8),
        Run("google/gemma-2-9b", technique="qlora", micro_batch=2),
        Run("google/gemma-2-2b", technique="full", optimizer="adamw_8bit", micro_batch=2, length=512),
        Run("google/gemma-3-270m", technique="full", micro_batch=8),
        Run("google/gemma-3-1b-pt", checkpointing=False, micro_batch=1, length=2048),
        Run("google/gemma-3-1b-pt", technique="qlora", micro_batch=2, length=2048),
        Run("microsoft/Phi-3.5-mini-instruct"),
        Run("microsoft/phi-4", technique="qlora", micro_batch=1, length=2048),
        Run("microsoft/Phi-3-medium-4k-instruct", micro_batch=1),
        Run(
            "microsoft/Phi-4-mini-instruct",
            technique="full",
            optimizer="adamw_8bit",
            micro_batch=1,
            length=2048,
        ),
        Run("allenai/OLMo-2-1124-13B", technique="qlora", micro_batch=1),
        Run("allenai/OLMo-2-0425-1B", technique="dora"),
        Run("allenai/OLMo-2-0425-1B", technique="full", liger=True, checkpointing=False, micro_batch=2),
        Run("Qwen/Qwen3-30B-A3B", technique="qlora", target_modules=ATTENTION, micro_batch=2),
        Run("mistralai/Mixtral-8x7B-v0.1", target_modules=ATTENTION, micro_batch=1, length=512),
        Run("bigcode/starcoder2-3b", micro_batch=2),
        Run("zai-org/GLM-4-9B-0414", micro_batch=1),
    ]


def third() -> list[Run]:
    """What is trained in float32: full fine-tuning with each optimizer, QLoRA with float32 adapters."""
    full: dict[str, Any] = {"technique": "full", "master": True}
    qlora: dict[str, Any] = {"technique": "qlora", "master": True}
    return [
        Run("Qwen/Qwen2.5-1.5B", **full),
        Run("HuggingFaceTB/SmolLM2-135M", micro_batch=16, length=512, **full),
        Run("meta-llama/Llama-3.2-1B", checkpointing=False, **full),
        Run("Qwen/Qwen2.5-3B", optimizer="paged_adamw_8bit", micro_batch=2, **full),
        Run("Qwen/Qwen3-4B", optimizer="adamw_8bit", micro_batch=2, **full),
        Run("google/gemma-3-270m", micro_batch=8, **full),
        Run("allenai/OLMo-2-0425-1B", checkpointing=False, micro_batch=2, **full),
        Run("microsoft/Phi-4-mini-instruct", optimizer="adamw_8bit", micro_batch=1, length=2048, **full),
        Run("google/gemma-2-2b", optimizer="adamw_8bit", micro_batch=2, length=512, **full),
        Run("Qwen/Qwen3-0.6B", checkpointing=False, liger=True, **full),
        Run("mistralai/Mistral-7B-v0.3", optimizer="adamw_8bit", micro_batch=1, **full),
        Run("TinyLlama/TinyLlama-1.1B-Chat-v1.0", liger=True, **full),
        Run("meta-llama/Llama-3.2-1B", **qlora),
        Run("Qwen/Qwen3-1.7B", checkpointing=False, micro_batch=2, **qlora),
        Run("Qwen/Qwen2.5-7B", micro_batch=2, **qlora),
        Run("google/gemma-2-2b", micro_batch=2, target_modules=ATTENTION, **qlora),
        Run("HuggingFaceTB/SmolLM2-1.7B", rank=64, liger=True, length=2048, **qlora),
    ]


SETS = {"first": first, "second": second, "third": third}
