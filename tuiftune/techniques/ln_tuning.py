"""LN tuning: only the norms between the layers are trained (Zhao et al., 2023)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.options import Quality
from tuiftune.sources import DEFAULT, PEFT_COMPARISON, together
from tuiftune.sources import LN_TUNING as LN_TUNING_PAPER
from tuiftune.techniques.base import Fact, Rates
from tuiftune.techniques.ia3 import IA3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.techniques.base import Sizes


def parameters(sizes: Sizes, options: Mapping[str, Any]) -> int:
    """Those of every norm that text passes."""
    del options
    if sizes.norms is None:
        raise ValueError("is not supported for this kind of model: its norms are not counted")
    if not sizes.norms:
        raise ValueError("trains the norms of a model, and this one's have no parameters")
    return sizes.norms


LN_TUNING = replace(
    IA3,
    key="ln_tuning",
    name="LN tuning",
    order=90,
    does="the norms between the layers",
    quality=Quality(
        "worse",
        "above LoRA in its paper, for models of text and pictures; below LoRA in PEFT's comparison",
        together(LN_TUNING_PAPER, PEFT_COMPARISON),
    ),
    rates=Rates(
        within=(5e-4, 1e-2),
        source=DEFAULT,
        tiny=Fact(5e-3, "small models train best with a high learning rate", DEFAULT),
        usual=Fact(1e-3, "norms begin near 1, and few of them are trained", DEFAULT),
    ),
    counts=parameters,
    copies=True,
)
