"""The heavy libraries in this process: how they wait and allocate, what of them is imported, and their bars,
notices and reports home turned off.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.engine.model.base import Base
    from tuiftune.engine.training.settings import Settings

# On a CPU that others use too, threads that spin while they wait for one another ruin it: 20 steps of the
# demo took 160 s spinning and 7 s waiting, on two cores under a load of seven.
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
# Segments that grow lose less to fragmentation: an 8B QLoRA run reserved 10.1 GiB instead of 10.8 on an H200.
ALLOCATOR = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
SETTINGS = {
    **WAITING,
    **ALLOCATOR,
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "true",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "WANDB_SILENT": "true",
    "ACCELERATE_LOG_LEVEL": "WARNING",
}


def environment() -> None:
    """Before any of the libraries is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def quieten(base: Base, *, data: bool = True) -> None:
    """Import the logging parts and quieten them. A base on this disk needs no network, so none is tried."""
    if base.local:
        os.environ["HF_HUB_OFFLINE"] = "1"
    import transformers

    warnings.simplefilter("once")
    for kind in (FutureWarning, DeprecationWarning):  # news for the libraries' developers, not for the user
        warnings.simplefilter("ignore", kind)
    if data:
        import datasets

        datasets.disable_progress_bars()
        datasets.disable_caching()
        datasets.logging.set_verbosity_warning()
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_warning()


@contextmanager
def quickly() -> Iterator[None]:
    """Without looking for garbage, of which imports make none; what they made isn't looked through later."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()


def leave_out(settings: Settings, base: Base) -> None:
    """Let bitsandbytes count as not installed in this process, where the run has no use for it.

    PEFT imports it wherever it finds it, and with it most of PyTorch's compiler: 7 s of 29 on two cores
    (torch 2.15 with CUDA, transformers 5.24).
    """
    bits = "8bit" in settings.preset.training.optimizer or "paged" in settings.preset.training.optimizer
    if not (settings.four_bit or bits or base.quantized):
        sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]  # what import makes of it
