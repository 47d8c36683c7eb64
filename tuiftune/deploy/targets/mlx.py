"""A whole model for MLX on Apple silicon, which reads the files of transformers."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy.base import SIXTEEN, Facts, Form, Target, merges

if TYPE_CHECKING:
    from pathlib import Path


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that run and quantize the model on a Mac."""
    del form
    here = shlex.quote(str(directory))
    return [
        f"mlx_lm.chat --model {here}",
        f"mlx_lm.convert --hf-path {here} --mlx-path {shlex.quote(facts.name)}-4bit -q",
    ]


TARGET = Target(
    key="mlx",
    name="MLX",
    order=80,
    does="the whole model in 16 bits, as mlx-lm reads it on Apple silicon",
    writer="merged",
    forms=SIXTEEN,
    answers="whole",
    use=use,
    not_run="MLX needs Apple silicon; the files are verified with transformers",
    refuses=merges,
)
