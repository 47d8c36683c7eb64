"""A whole model in 16 bits, as transformers and most servers load it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy.base import SIXTEEN, Facts, Form, Target, merges

if TYPE_CHECKING:
    from pathlib import Path


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that use the model."""
    del facts, form
    return [f"transformers serve {shlex.quote(str(directory))}"]


TARGET = Target(
    key="merged",
    name="Merged model",
    order=10,
    does="the whole model in 16 bits, adapters merged into the original base model",
    writer="merged",
    forms=SIXTEEN,
    answers="whole",
    use=use,
    refuses=merges,
)
