"""The libraries' environment: how they wait and allocate; their bars, notices and reports home turned off."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.engine.model.base import Base

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


def libraries(base: Base, *, data: bool = True) -> None:
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
