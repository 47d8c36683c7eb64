"""An adapter's GGUF file answered from by llama.cpp, on its base model's, which is converted for that."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune.deploy.targets.gguf_adapter import FILE
from tuiftune.engine.export import converting, merged
from tuiftune.engine.export.answering.gguf import Gguf

if TYPE_CHECKING:
    from tuiftune.engine.export.opened import Opened, Rows


def open_artifact(opened: Opened, directory: Path, rows: Rows) -> Gguf:
    """The base model in 16 bits with the adapter. Its file is removed once it is loaded."""
    with tempfile.TemporaryDirectory(dir=directory.parent) as room:
        whole, file = Path(room) / "base", Path(room) / "base.gguf"
        whole.mkdir()
        base = opened.base_files
        plain = merged.Source(base, base, base, opened.result, None, None, opened.base.remote_code)
        merged.write(plain, whole, lambda done, total: None)
        converting.convert(opened, whole, file, "f32" if sum_of(base) < SMALL else "f16")
        return Gguf(file, opened.tokenizer(), rows, directory / FILE)


SMALL = 1 << 30  # bytes of weights below which the base model is kept in float32 for the comparison


def sum_of(base: Path) -> int:
    """Bytes of a model's weights."""
    from tuiftune.models import weights

    return sum(one.end - one.begin for one in weights.tensors(base).values())
