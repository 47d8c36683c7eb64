"""Last layers: the last layers are trained in full, and those before them stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.options import Option, PositiveInt, Quality
from tuiftune.sources import FREEZING, NO_REGRET
from tuiftune.techniques.base import Fact, Rates
from tuiftune.techniques.full import FULL
from tuiftune.techniques.ia3 import IA3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.techniques.base import Sizes

LAYERS = "trained_layers"


def parameters(sizes: Sizes, options: Mapping[str, Any]) -> int:
    """Those of the last layers, which are all alike."""
    asked = int(options[LAYERS])
    if sizes.layer is None:
        raise ValueError("needs layers that are alike, without mixtures of experts")
    if asked > sizes.layers:
        raise ValueError(f"is asked for {asked} layers, and the model has {sizes.layers}")
    return asked * sizes.layer


def layers_quality(value: Any) -> Quality:
    if value < 4:
        return Quality("worse", "few layers learn little more than the style of an answer", FREEZING.short)
    return Quality("same", "a quarter of the layers reached 90% of full fine-tuning", FREEZING.short)


LAST_LAYERS = replace(
    IA3,
    key="last_layers",
    name="last layers",
    order=100,
    does="the last layers in full",
    quality=Quality(
        "unsure",
        "a quarter of the layers reached 90% of the quality of full fine-tuning, for classification",
        FREEZING.short,
    ),
    rates=Rates(
        within=(1e-5, 5e-5),
        source=FULL.rates.source,
        tiny=FULL.rates.tiny,
        usual=FULL.rates.usual,
        over_lora=Fact(0.1, "weights are trained in full: a tenth of LoRA's rate", NO_REGRET.short),
    ),
    options=(
        Option(
            LAYERS,
            PositiveInt,
            4,
            "decoder layers trained in full, counted from the last one",
            label="trained layers",
            choices=(1, 2, 4, 8, 16),
            quality=layers_quality,
        ),
        *IA3.options,
    ),
    counts=parameters,
    depth=LAYERS,
    copies=True,
    weight_gradients=1.0,
)
