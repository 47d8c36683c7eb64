"""The libraries' imports, which take half a minute on two slow cores: what is not used is left out."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.engine.model.base import Base
    from tuiftune.engine.training.settings import Settings


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
    if not (settings.quantised or bits or base.quantised):
        sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]  # what import makes of it
