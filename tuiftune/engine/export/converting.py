"""llama.cpp's converter and quantizer, asked as processes of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuiftune import engine_call
from tuiftune.deploy import llama_cpp
from tuiftune.deploy.gguf_forms import FTYPES
from tuiftune.engine_call import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.export.opened import Opened

TEXTS = 300  # rows whose texts a pre-tokenizer is tried on
REQUEST = ".convert.json"


def convert(opened: Opened, directory: Path, output: Path, kind: str) -> None:
    """Write a model directory as a GGUF file. `kind`: f32, f16, bf16 or q8_0.

    UserError with what the converter says that it cannot do.
    """
    tokenizer = opened.tokenizer()
    _ask(
        output.parent,
        {
            "script": str(llama_cpp.converter(opened.options)),
            "arguments": [str(directory), "--outfile", str(output), "--outtype", kind],
            "texts": texts(opened),
            "stops": tokenizer.stop_tokens(),
            "place": opened.base.reference,
        },
    )


def convert_adapter(opened: Opened, adapter: Path, output: Path, kind: str) -> None:
    """Write an adapter as a GGUF file, to be loaded on that of its base model."""
    _ask(
        output.parent,
        {
            "script": str(llama_cpp.converter(opened.options, llama_cpp.ADAPTERS)),
            "arguments": [
                str(adapter),
                *("--base", str(opened.base_files)),
                *("--outfile", str(output)),
                *("--outtype", kind),
            ],
            "texts": [],
            "stops": [],
            "place": opened.base.reference,
        },
    )


def quantize(opened: Opened, source: Path, output: Path, form: str) -> None:
    """Write a GGUF file in another precision."""
    _ask(
        output.parent,
        {
            "quantizer": str(llama_cpp.quantizer(opened.options)),
            "source": str(source),
            "output": str(output),
            "name": form,
            "ftype": FTYPES[form],
        },
    )


def texts(opened: Opened) -> list[str]:
    """Texts of the run's rows, to compare pre-tokenizers on; none where its data cannot be read."""
    from tuiftune.data.read.load import load
    from tuiftune.errors import UserError

    data = opened.wanted.preset.data
    try:
        rows = load(data.train, format=data.format, columns=data.columns or None, system=data.system)
    except UserError:
        return []
    found = []
    for example in rows.head(TEXTS):
        found += [message.content for message in example.messages or ()]
        found += [text for text in (example.text, example.reference) if text]
    return found


def _ask(room: Path, request: dict[str, Any]) -> None:
    path = room / REQUEST
    path.write_text(json.dumps(request), encoding="utf-8")
    try:
        engine_call.ask(Job("convert", ("--request", str(path))))
    finally:
        path.unlink(missing_ok=True)
