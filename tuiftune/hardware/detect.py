"""The whole machine in one value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.hardware.disks import disk_of
from tuiftune.hardware.host import read_host
from tuiftune.hardware.machine import Disk, Gpu, Machine
from tuiftune.hardware.nvml import read_gpus
from tuiftune.hardware.session import read_session
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.hardware.nvml import NvmlReading


def detect(run_path: Path | None = None) -> Machine:
    """This machine now: the GPUs this process may use, the host, the session, the disks of runs and models.

    `run_path`: where runs will be written, `./runs` unless given; it need not exist. The first disk is its.
    """
    return machine_of(read_gpus(), run_path, os.environ)


def machine_of(reading: NvmlReading, run_path: Path | None, environ: Mapping[str, str]) -> Machine:
    """A machine with these GPUs, and everything else as it is here."""
    gpus = visible(reading.gpus, environ.get("CUDA_VISIBLE_DEVICES"))
    fault = reading.fault
    if reading.gpus and not gpus:
        fault = "CUDA_VISIBLE_DEVICES hides all GPUs. Unset it, or list the GPUs to use."
    disks = [_disk(run_path or Path("runs")), _disk(model_cache(environ))]
    return Machine(
        gpus=gpus,
        driver=reading.driver,
        cuda=reading.cuda,
        nvml_fault=fault,
        host=read_host(),
        disks=tuple(disks[:1] if disks[0].mount == disks[1].mount else disks),
        session=read_session(environ),
    )


def _disk(path: Path) -> Disk:
    """The disk of a path, with nothing known of one that doesn't answer: much can be done without it."""
    try:
        return disk_of(path)
    except UserError:
        return Disk(printable(str(path)), "not known", "unknown", 0, 0)


def model_cache(environ: Mapping[str, str]) -> Path:
    """Where downloaded models are kept: HF_HUB_CACHE, HF_HOME/hub, or ~/.cache/huggingface/hub."""
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"])
    if environ.get("HF_HOME"):
        return Path(environ["HF_HOME"]) / "hub"
    return Path(os.path.expanduser(environ.get("XDG_CACHE_HOME") or "~/.cache")) / "huggingface" / "hub"


def visible(gpus: tuple[Gpu, ...], setting: str | None) -> tuple[Gpu, ...]:
    """The GPUs CUDA_VISIBLE_DEVICES leaves, in its order: numbers, or `GPU-…`/`MIG-…` names, whole or cut.

    CUDA stops at the first entry it cannot place, and so does this.
    """
    if setting is None:
        return gpus
    chosen: list[Gpu] = []
    for entry in (part.strip() for part in setting.split(",")):
        if entry.isdigit():
            match = [gpu for gpu in gpus if gpu.index == int(entry)]
        else:
            match = [gpu for gpu in gpus if entry and gpu.uuid is not None and gpu.uuid.startswith(entry)]
        if len(match) != 1:
            break
        chosen.append(match[0])
    return tuple(chosen)
