"""What the targets that torchao quantizes share."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy import needs_gpu
from tuiftune.deploy.base import Facts, Form, Need, Target, merges

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NEEDS = (Need("torchao", "quantize", "it quantizes the weights"),)
NOT_RUN = "vLLM, which loads these files where torchao is installed; they are verified with transformers"
SHARE = 1.7  # the merged model in 16 bits and the quantized one lie on the disk together


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that serve the model."""
    del form
    here = shlex.quote(str(directory))
    return [f"transformers serve {here}", f"vllm serve {here} --served-model-name {shlex.quote(facts.name)}"]


def nothing(facts: Facts, form: Form, options: Mapping[str, str]) -> None:
    """No program is needed."""


def quantized(form: Form, order: int, does: str, *, gpu: bool = False) -> Target:
    """A target of one form: the whole model, merged and then quantized. `gpu`: it is computed on one."""
    return Target(
        key=form.key,
        name=form.does,
        order=order,
        does=does,
        writer="torchao",
        forms=(form,),
        answers="whole",
        use=use,
        not_run=NOT_RUN,
        needs=NEEDS,
        refuses=merges,
        tools=needs_gpu.tools if gpu else nothing,
        share=SHARE,
    )
