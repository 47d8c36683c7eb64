"""Options that several stages share, each declared once; a stage has its own value for `auto`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tuiftune.options import Auto, Option

BETA = Option(
    "beta",
    Auto | Annotated[float, Field(ge=0, le=100)],
    "auto",
    "how strongly the model is held to its reference (for simpo: how strongly rewards count); "
    "auto: the stage's usual value",
    label="beta",
    choices=("auto", 0.01, 0.05, 0.1, 0.3, 0.5),
)
