"""A whole model quantized to 4 bits by GPTQ, calibrated on the run's training rows."""

from __future__ import annotations

import importlib.util
import shlex
from typing import TYPE_CHECKING

from tuiftune.deploy import needs_gpu
from tuiftune.deploy.base import Facts, Form, Target, merges
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PACKAGES = ("gptqmodel", "optimum")  # what quantizes, and what transformers loads its files with
SHARE = 1.4  # the merged model in 16 bits and the quantized one lie on the disk together


def tools(facts: Facts, form: Form, options: Mapping[str, str]) -> None:
    """UserError where no GPU is usable, or a package is missing, which no extra brings: they pin others."""
    needs_gpu.tools(facts, form, options)
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"GPTQ needs the package {name}",
                place="--to gptq",
                remedy=f"install what it needs: pip install {' '.join(PACKAGES)}",
            )


def use(directory: Path, facts: Facts, form: Form) -> list[str]:
    """Commands that serve the model."""
    del form
    here = shlex.quote(str(directory))
    return [f"vllm serve {here} --served-model-name {shlex.quote(facts.name)}"]


TARGET = Target(
    key="gptq",
    name="GPTQ",
    order=130,
    does="the whole model with weights in 4 bits (GPTQ in groups of 128, calibrated on training rows)",
    writer="gptq",
    forms=(Form("gptq", 4, "4-bit integers by GPTQ"),),
    answers="whole",
    use=use,
    not_run="all of it: it needs a GPU and gptqmodel, against whose source (7.7) it is checked",
    refuses=merges,
    tools=tools,
    share=SHARE,
)
