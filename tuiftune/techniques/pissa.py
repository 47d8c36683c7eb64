"""PiSSA: LoRA that begins with the principal singular values of each weight (Meng et al., 2024)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from tuiftune.options import Option, Quality
from tuiftune.sources import PISSA as PISSA_PAPER
from tuiftune.sources import VARIANTS, together
from tuiftune.techniques.lora import LORA

SOURCE = PISSA_PAPER.short


def iterations_quality(value: Any) -> Quality:
    if value is None or value >= 16:
        return Quality("same", "the singular values are (nearly) exact", SOURCE)
    return Quality("unsure", "with few iterations the singular values are less exact", SOURCE)


PISSA = replace(
    LORA,
    key="pissa",
    name="PiSSA",
    order=70,
    does="LoRA initialized from the weights' largest singular values",
    quality=Quality(
        "same",
        "above LoRA at the same rank in its paper; as good as LoRA once each has its own learning rate",
        together(PISSA_PAPER, VARIANTS),
    ),
    options=(
        *LORA.options,
        Option(
            "pissa_iterations",
            Annotated[int, Field(gt=0, le=1000)] | None,
            16,
            "iterations of the fast singular value decomposition at the start; null: an exact one, "
            "which takes minutes for billions of weights",
            label="SVD iterations",
            choices=(4, 16, 64),
            after="method.rank",
            quality=iterations_quality,
        ),
    ),
    automatic=False,
    compared=False,  # LoRA's memory and speed, once it has begun
    nf4=None,
    fp8=None,
    shares=False,
    experts=False,
    # The weight in float32, both matrices of singular vectors, and the decomposition's own copies. A bound by
    # counting copies; not measured.
    start_bytes=20.0,
)
