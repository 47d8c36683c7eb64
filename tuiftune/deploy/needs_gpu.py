"""Targets that are computed on a GPU: refused where none is usable, before anything is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.hardware.detect import visible
from tuiftune.hardware.nvml import read_gpus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.deploy.base import Facts, Form


def tools(facts: Facts, form: Form, options: Mapping[str, str]) -> None:
    """UserError where no GPU is usable."""
    del facts, options
    if not visible(read_gpus().gpus, os.environ.get("CUDA_VISIBLE_DEVICES")):
        raise UserError(
            f"{form.does} are computed on a GPU, and none is usable here",
            place=f"--to {form.key}",
            remedy="export --to int8 here, or export on a machine where `tuiftune doctor` shows a GPU",
        )
