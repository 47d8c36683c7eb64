"""What the targets that torchao quantizes share."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy.base import Facts, Form, Need

if TYPE_CHECKING:
    from pathlib import Path

NEEDS = (Need("torchao", "quantize", "it quantizes the weights"),)
SHARE = 1.7  # the merged model in 16 bits and the quantized one lie on the disk together


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that serve the model."""
    del form
    here = shlex.quote(str(directory))
    return [f"transformers serve {here}", f"vllm serve {here} --served-model-name {shlex.quote(facts.name)}"]
