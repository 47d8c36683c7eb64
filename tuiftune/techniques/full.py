"""Full fine-tuning: every weight is trained."""

from __future__ import annotations

from tuiftune.techniques.base import Technique
from tuiftune.techniques.lora import ADAPTER_OPTIONS

FULL = Technique(
    key="full",
    name="full tuning",
    order=10,
    does="all weights",
    adapters=False,
    unused=ADAPTER_OPTIONS,
    automatic=True,
)
