"""Prefix tuning: trained keys and values that every layer sees before a row (Li and Liang, 2021)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune.options import Quality
from tuiftune.sources import DEFAULT, PEFT_COMPARISON, together
from tuiftune.sources import PREFIX as PREFIX_PAPER
from tuiftune.techniques.base import Fact, Rates
from tuiftune.techniques.prompt_tuning import PROMPT_TUNING, VIRTUAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.techniques.base import Sizes


def parameters(sizes: Sizes, options: Mapping[str, Any]) -> int:
    """A key and a value in each layer for each virtual token."""
    return int(options[VIRTUAL]) * 2 * sizes.layers * sizes.keys


PREFIX_TUNING = replace(
    PROMPT_TUNING,
    key="prefix_tuning",
    name="prefix tuning",
    order=110,
    does="trained keys and values before each row",
    quality=Quality(
        "worse",
        "41.6% against LoRA's 47.8% in PEFT's comparison. It cannot be merged into the model",
        together(PREFIX_PAPER, PEFT_COMPARISON),
    ),
    rates=Rates(
        within=(1e-3, 3e-2),
        source=DEFAULT,
        tiny=Fact(1e-2, "small models train best with a high learning rate", DEFAULT),
        usual=Fact(5e-3, "keys and values are trained themselves, without a network before them", DEFAULT),
    ),
    counts=parameters,
    recomputes=False,
)
