"""Where the trials of a study run: one on each GPU at a time, or one on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset

Slot = tuple[int, ...] | None  # indices of GPUs; None: as the preset says


def slots_for(preset: Preset) -> list[Slot]:
    """Return the places for one trial each. A preset that names GPUs, or several, has one."""
    from tuiftune.hardware.detect import detect

    wanted = preset.hardware.gpus
    if wanted not in ("auto", 1) or preset.hardware.processes not in ("auto", 1):
        return [None]
    gpus = detect().gpus
    return [(gpu.index,) for gpu in gpus] if len(gpus) > 1 else [None]
