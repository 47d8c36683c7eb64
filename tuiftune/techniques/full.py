"""Full fine-tuning: all parameters are trained."""

from __future__ import annotations

from typing import Literal

from tuiftune.options import Option, Quality
from tuiftune.sources import FORGETS_LESS, GPT3, NO_REGRET, PRACTITIONERS
from tuiftune.techniques.base import Allocator, Fact, Rates, Technique
from tuiftune.techniques.lora import ADAPTER_OPTIONS

FULL = Technique(
    key="full",
    name="full fine-tuning",
    order=10,
    does="all parameters",
    adapters=False,
    quality=Quality(
        "better",
        "learns the most from many rows, and forgets the most of what the base model knew",
        FORGETS_LESS.short,
    ),
    rates=Rates(
        within=(1e-5, 5e-5),
        source=PRACTITIONERS.short,
        tiny=Fact(5e-4, "small models train best with a high learning rate", GPT3.short),
        usual=Fact(2e-5, "a tenth of LoRA's rate", NO_REGRET.short),
        over_lora=Fact(0.1, "a tenth of LoRA's rate", NO_REGRET.short),
    ),
    forms="full",
    options=(
        Option(
            "result_dtype",
            Literal["base", "float32"],
            "base",
            "precision of the result's weights; base: the base model's, which rounds small updates away; "
            "float32: as trained, at twice the size of 16 bit",
        ),
    ),
    allocator=Allocator(kept=(0.03, 0.10), recomputed=(0.06, 0.11)),
    unused=ADAPTER_OPTIONS,
    automatic=True,
    compared=True,
    compiles=True,
    shares=True,
    weight_gradients=1.0,
)
