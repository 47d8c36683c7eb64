"""The whole model in 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuiftune.engine.export import merged, merging
from tuiftune.engine.model import base as bases
from tuiftune.models import weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.engine.export.opened import Opened

HALVES = ("bfloat16", "float16")
DEFAULT = "bfloat16"  # for a base model in float32 that was not trained in 16 bits either


def write(opened: Opened, into: Path, form: str, tell: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Write the model into a directory. Returns what the manifest says of it."""
    stored = weights.stored_dtype(opened.whole)
    trained = str(opened.wanted.preset.model.dtype)
    wanted = form if form in HALVES else stored if stored in HALVES else trained
    wanted = wanted if wanted in HALVES else DEFAULT
    merged.write(
        source_of(opened, None if wanted == stored else wanted),
        into,
        lambda done, total: tell("merging" if opened.adapted else "copying", done, total),
    )
    return {"dtype": wanted}


def source_of(opened: Opened, dtype: str | None) -> merged.Source:
    """What the whole model is made from, its weights becoming `dtype` (None: as they are)."""
    merge = None
    if opened.adapted:
        config, code = opened.config(), opened.base.remote_code
        auto = bases.class_of(config)
        core = merging.empty(config, auto, remote_code=code)
        adapted = merging.adapt(merging.empty(config, auto, remote_code=code), opened.result)
        merge = merging.Merge(opened.base_files, core, adapted)
    return merged.Source(
        weights=opened.whole,
        files=opened.whole,
        tokenizer=opened.source or opened.result,
        result=opened.result,
        merge=merge,
        dtype=dtype,
        remote_code=opened.base.remote_code,
    )
