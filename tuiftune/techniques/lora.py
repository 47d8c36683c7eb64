"""LoRA, and the options of every technique that trains low-rank adapters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuiftune.options import Auto, Option, PositiveInt, Probability, Quality, Text
from tuiftune.sources import FORGETS_LESS, NO_REGRET, PRACTITIONERS, QLORA, together
from tuiftune.techniques.base import Allocator, Fact, Over, Rates, Technique

ADAPTER_OPTIONS = (
    Option(
        "rank",
        Auto | PositiveInt,
        "auto",
        "LoRA rank (r): more capacity, more memory",
        label="rank",
        choices=("auto", 4, 8, 16, 32, 64, 128),
    ),
    Option(
        "alpha",
        Auto | PositiveInt,
        "auto",
        "LoRA alpha, which scales the adapter's effect; auto: usually 2 × rank",
        label="alpha",
        choices=("auto", 8, 16, 32, 64, 128, 256),
        after="training.activation_checkpointing",
    ),
    Option(
        "dropout",
        Probability,
        0.0,
        "adapter dropout",
        label="dropout",
        choices=(0.0, 0.05, 0.1),
    ),
    Option(
        "adapter_dtype",
        Literal["auto", "float32", "bfloat16"],
        "auto",
        "precision of the adapters; auto: float32, which keeps small updates",
        label="adapter precision",
        choices=("auto", "float32", "bfloat16"),
        after="model.dtype",
    ),
    Option(
        "target_modules",
        Literal["all-linear", "attention"] | Annotated[list[Text], Field(min_length=1)],
        "all-linear",
        "layers with adapters",
        label="target modules",
        choices=("all-linear", "attention"),
        after="training.activation_checkpointing",
    ),
    Option(
        "modules_to_save",
        list[Text],
        [],
        "modules trained in full and saved with the adapter: embeddings, lm_head, or a name",
    ),
)


def without(*keys: str) -> tuple[Option, ...]:
    """The options of low-rank adapters but these: what a technique accepts and makes no use of."""
    return tuple(one for one in ADAPTER_OPTIONS if one.key not in keys)


TINY_RATE = Fact(2e-3, "adapters take about ten times the rate of full fine-tuning", NO_REGRET.short)
SAME_AS_LORA = Fact(1, "LoRA's rate", NO_REGRET.short)
RATES = Rates(
    within=(1e-4, 2e-4),
    source=PRACTITIONERS.short,
    tiny=TINY_RATE,
    usual=Fact(2e-4, "the rate of the QLoRA paper for models of 7B and 13B parameters", QLORA.short),
    large=Fact(1e-4, "the rate of the QLoRA paper for models of 33B and 65B parameters", QLORA.short),
    over_lora=SAME_AS_LORA,
)

OVER_NF4 = Over(
    forms="qlora",
    allocator=Allocator(kept=(0.02, 0.07), recomputed=(0.07, 0.124)),
    ranks=(8, 256),
    rates=RATES,
)

# Its layers keep what those of a 16-bit base keep: a frozen weight's product saves no input.
ALLOCATOR = Allocator(kept=(0.04, 0.07), recomputed=(0.03, 0.075))
OVER_FP8 = Over(forms="lora", allocator=ALLOCATOR, ranks=(8, 256), rates=RATES)

LORA = Technique(
    key="lora",
    name="LoRA",
    order=20,
    does="low-rank adapters on a frozen base model",
    adapters=True,
    quality=Quality(
        "same",
        "as good as full fine-tuning while the adapters have room for the data, and it forgets less",
        together(NO_REGRET, FORGETS_LESS),
    ),
    rates=RATES,
    forms="lora",
    allocator=ALLOCATOR,
    options=ADAPTER_OPTIONS,
    automatic=True,
    compared=True,
    fits="with adapters on 16-bit weights",
    nf4=OVER_NF4,
    fp8=OVER_FP8,
    compiles=True,
    shares=True,
)
