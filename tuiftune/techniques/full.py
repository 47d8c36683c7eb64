"""Full fine-tuning: every weight is trained."""

from __future__ import annotations

from tuiftune.options import Quality
from tuiftune.techniques.base import Allocator, Fact, Rates, Technique
from tuiftune.techniques.lora import ADAPTER_OPTIONS

FULL = Technique(
    key="full",
    name="full tuning",
    order=10,
    does="all weights",
    adapters=False,
    quality=Quality(
        "better", "the most it can learn, and the most it forgets; wants many rows", "guides A–C"
    ),
    rates=Rates(
        within=(1e-5, 5e-5),
        source="guides A–C: 2e-5",
        tiny=Fact(5e-4, "a model this small bears, and needs, large steps", "Brown et al. 2020, table 2.1"),
        usual=Fact(2e-5, "full tuning forgets quickly at higher rates", "guides A, C: 2e-5"),
    ),
    forms="full",
    allocator=Allocator(kept=(0.03, 0.10), recomputed=(0.06, 0.11)),
    unused=ADAPTER_OPTIONS,
    automatic=True,
    compared=True,
    compiles=True,
    weight_gradients=1.0,
)
