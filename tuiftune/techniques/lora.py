"""LoRA, and the options of every technique that trains low-rank adapters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuiftune.options import Auto, Option, PositiveInt, Probability, Text
from tuiftune.techniques.base import Technique

ADAPTER_OPTIONS = (
    Option(
        "rank",
        Auto | PositiveInt,
        "auto",
        "width of the adapters",
        label="rank",
        choices=("auto", 4, 8, 16, 32, 64, 128),
    ),
    Option(
        "alpha",
        Auto | PositiveInt,
        "auto",
        "adapter scale; auto: 2 × rank",
        label="alpha",
        choices=("auto", 8, 16, 32, 64, 128, 256),
        after="method.target_modules",
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
        "precision of the adapters; auto: float32; bfloat16 rounds small updates away",
        label="adapters in",
        choices=("auto", "float32", "bfloat16"),
        after="model.dtype",
    ),
    Option(
        "target_modules",
        Literal["all-linear", "attention"] | Annotated[list[Text], Field(min_length=1)],
        "all-linear",
        "which layers get adapters",
        label="adapts",
        choices=("all-linear", "attention"),
        after="training.activation_checkpointing",
    ),
    Option(
        "modules_to_save",
        list[Text],
        [],
        "modules trained whole and saved with the adapters: embeddings, lm_head, or a name",
    ),
)

LORA = Technique(
    key="lora",
    name="LoRA",
    order=20,
    does="low-rank adapters over a frozen base model",
    adapters=True,
    options=ADAPTER_OPTIONS,
    automatic=True,
)
