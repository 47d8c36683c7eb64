"""A run's settings as this machine can load its result: a plan for a GPU, opened where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune import techniques
from tuiftune.engine.model import base as bases
from tuiftune.errors import ExitCode, UserError
from tuiftune.figures import sizes
from tuiftune.models import weights
from tuiftune.plan.attention import VARLEN
from tuiftune.techniques.base import NONE

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.model.base import Base
    from tuiftune.engine.training.settings import Settings

SHARE = 0.6  # of the free RAM that a model may take in float32
WHOLE, HALF = 4, 2  # bytes of a weight
ON_GPUS_ONLY = ("flash_attention_2", VARLEN)


def fitting(wanted: Settings, base: Base) -> tuple[Settings, str]:
    """The settings that can be loaded here, and in words what differs from the plan; "" where nothing does.

    Without a GPU the weights are in float32 where that fits into RAM, else in bfloat16. A base model that was
    trained over in NF4 without a GPU, or in FP8 (which its layers become while they are trained), is taken in
    full: answers may differ a little from those that were scored.

    UserError (exit code 3) where the weights do not fit into the RAM either.
    """
    import torch

    there = torch.cuda.is_available()
    planned = wanted.preset.model
    changes: dict[str, Any] = {}
    told = []
    if wanted.fp8 or (wanted.four_bit and not there):
        if techniques.every()[wanted.technique].quantized:
            changes["method.technique"] = wanted.traits.unquantized
        changes["model.quantization"] = NONE
        told.append(f"the base model is not quantized ({wanted.traits.base} in the plan)")
    if not there and wanted.gpu not in (None, "cpu"):
        files = bases.files_of(base)
        fits = not wanted.adapted or (files is not None and fits_in_float32(files))
        dtype = "float32" if fits else "bfloat16"
        if files is not None:
            _check_ram(files, WHOLE if fits else HALF, base.reference)
        if planned.dtype != dtype:
            changes["model.dtype"] = dtype
            told.append(f"in {dtype} ({planned.dtype} in the plan)")
        if planned.attention in ON_GPUS_ONLY:
            changes["model.attention"] = "sdpa"
        told.append(f"on the CPU ({wanted.gpu} in the plan)")
    if not told:
        return wanted, ""
    preset = wanted.preset.with_values(changes)
    made = replace(wanted, preset=preset, gpu=wanted.gpu if there else "cpu", adapter_dtype="float32")
    return made, f"loaded {', '.join(told)}: answers may differ slightly from those that were scored"


def fits_in_float32(directory: Path) -> bool:
    """Return True if the free RAM holds a directory's weights in float32 with room left."""
    return WHOLE * _weights(directory) < SHARE * _free_ram()


def _check_ram(directory: Path, each: int, place: str) -> None:
    """UserError unless the free RAM holds a directory's weights at `each` bytes."""
    needed, free = each * _weights(directory), _free_ram()
    if needed > free:
        raise UserError(
            "there is no GPU here, and its weights need {} of RAM, {} free".format(*sizes(needed, free)),
            place=place,
            remedy="use a machine with a GPU or more RAM",
            exit_code=ExitCode.DOES_NOT_FIT,
        )


def _weights(directory: Path) -> int:
    return sum((one.end - one.begin) // HALF for one in weights.tensors(directory).values())


def _free_ram() -> int:
    from tuiftune.control_group import memory_available

    return memory_available()
