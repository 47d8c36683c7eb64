"""Prompt tuning: trained embeddings of virtual tokens before each row (Lester et al., 2021)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tuiftune.options import Option, Quality
from tuiftune.sources import DEFAULT
from tuiftune.sources import PROMPT_TUNING as PROMPT_PAPER
from tuiftune.techniques.base import Fact, Rates
from tuiftune.techniques.ia3 import IA3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.techniques.base import Sizes

VIRTUAL = "virtual_tokens"


def parameters(sizes: Sizes, options: Mapping[str, Any]) -> int:
    """An embedding for each virtual token."""
    return int(options[VIRTUAL]) * sizes.hidden


def tokens_quality(value: Any) -> Quality:
    if value < 20:
        return Quality("worse", "small models need 20 virtual tokens and more", PROMPT_PAPER.short)
    return Quality("same", "beyond 20, more virtual tokens gain little", PROMPT_PAPER.short)


PROMPT_TUNING = replace(
    IA3,
    key="prompt_tuning",
    name="prompt tuning",
    order=120,
    does="trained embeddings before each row",
    quality=Quality(
        "worse",
        "nears full fine-tuning only from 10 billion parameters on. It cannot be merged into the model",
        PROMPT_PAPER.short,
    ),
    rates=Rates(
        within=(1e-2, 3e-1),
        source=PROMPT_PAPER.short,
        tiny=Fact(3e-2, "small models train best with a high learning rate", DEFAULT),
        usual=Fact(3e-2, "a tenth of the paper's, whose optimizer has smaller steps", DEFAULT),
    ),
    options=(
        Option(
            VIRTUAL,
            Annotated[int, Field(ge=1, le=1024)],
            20,
            "virtual tokens before each row: more capacity, and as much less room for the row",
            label="virtual tokens",
            choices=(5, 10, 20, 50, 100),
            quality=tokens_quality,
        ),
        *IA3.options,
    ),
    counts=parameters,
    virtual=VIRTUAL,
    merges=False,
    next_token=True,
)
