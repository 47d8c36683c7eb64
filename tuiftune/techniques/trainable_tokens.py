"""Trainable tokens: the embeddings of some tokens, such as added ones, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tuiftune.options import Option, Quality, Text
from tuiftune.sources import DEFAULT, PEFT_COMPARISON
from tuiftune.techniques.base import Fact, Rates
from tuiftune.techniques.ia3 import IA3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.techniques.base import Sizes

TOKENS = "tokens"


def parameters(sizes: Sizes, options: Mapping[str, Any]) -> int:
    """An embedding for each token."""
    named = set(options[TOKENS])
    if not named:
        raise ValueError("trains the tokens of method.tokens, and none is named there")
    return len(named) * sizes.hidden


TRAINABLE_TOKENS = replace(
    IA3,
    key="trainable_tokens",
    name="trainable tokens",
    order=130,
    does="the embeddings of the tokens that method.tokens names",
    quality=Quality(
        "worse",
        "gives added tokens a meaning; all else of the model stays as it is",
        PEFT_COMPARISON.short,
    ),
    rates=Rates(
        within=(1e-4, 1e-2),
        source=DEFAULT,
        tiny=Fact(1e-2, "small models train best with a high learning rate", DEFAULT),
        usual=Fact(1e-3, "few embeddings are trained, and each is seen in few rows", DEFAULT),
    ),
    options=(
        Option(
            TOKENS,
            Annotated[list[Text], Field(max_length=4096)],
            [],
            "tokens of the base model's tokenizer whose embeddings are trained, such as added ones",
        ),
        *IA3.options,
    ),
    counts=parameters,
    next_token=True,
    tables=3.0,  # with the rows put in (PEFT 0.21), its gradient, and that on its way; counted, not measured
)
