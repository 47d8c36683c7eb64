"""One GGUF file of the whole model: merged, converted by llama.cpp's converter, quantized."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.deploy.gguf_forms import FTYPES, file_name
from tuiftune.engine.export import converting
from tuiftune.engine.export.writers import merged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.engine.export.opened import Opened

WHOLE = ".whole"  # of the directory that is written: the merged model, until it is converted


def write(opened: Opened, into: Path, form: str, tell: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Write the file into a directory. Returns what the manifest says of it."""
    name = file_name(opened.run.name, form)
    if paths.is_file(into / name):  # of an earlier attempt: it is renamed once it is whole
        return {"file": name}
    whole = into / WHOLE
    whole.mkdir(exist_ok=True)
    merged.write(opened, whole, "auto", tell)
    tell("converting to GGUF", 0, 0)
    partial = into / f".{name}.partial.gguf"
    # What is quantized below 8 bits is quantized from 16: from bfloat16 where that is what the weights are.
    kind = form if form not in FTYPES else "bf16" if _bfloat16(whole) else "f16"
    converting.convert(opened, whole, partial, kind)
    shutil.rmtree(whole)
    if form in FTYPES:
        tell("quantizing", 0, 0)
        sixteen = into / ".sixteen.gguf"
        os.replace(partial, sixteen)
        converting.quantize(opened, sixteen, partial, form)
        sixteen.unlink()
    os.replace(partial, into / name)
    for path in paths.entries(opened.result):
        if path.name == "chat_template.jinja":
            shutil.copyfile(path, into / path.name)
    return {"file": name}


def _bfloat16(directory: Path) -> bool:
    from tuiftune.models import weights

    return weights.stored_dtype(directory) == "bfloat16"
