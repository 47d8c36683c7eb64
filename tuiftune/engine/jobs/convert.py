"""`python -m tuiftune.engine convert --request FILE`: llama.cpp's converter in a process of its own.

It brings its own `gguf` and reads its own command line. What tuiftune adds: the pre-tokenizer of a tokenizer
that it does not know, and every token at which an answer ends.
"""

from __future__ import annotations

import ctypes
import importlib
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    import argparse

PARAMETERS = 512  # bytes: more than llama_model_quantize_params has in any version
FTYPE = 4  # offset of its `ftype`, behind `nthread`: so since the function exists (2023)
LAST = 12  # lines of a program's output that an error shows the last of


def main(given: argparse.Namespace) -> ExitCode:
    """Carry out a request: a conversion of a model or an adapter, or a quantization of a GGUF file."""
    asked = documents.read_json(Path(given.request))
    if "quantizer" in asked:
        quantize(Path(asked["quantizer"]), asked["source"], asked["output"], asked["name"], asked["ftype"])
    else:
        convert(asked)
    return ExitCode.DONE


def convert(asked: dict[str, Any]) -> None:
    """Run the converter on a model directory. UserError names what it does not know."""
    script = Path(asked["script"])
    sys.path[:0] = [str(script.parent / "gguf-py"), str(script.parent)]
    base = _base(script)
    original = base.TextModel.get_vocab_base_pre

    def pre(model: Any, tokenizer: Any) -> str:
        try:
            return str(original(model, tokenizer))
        except NotImplementedError:
            return _pre(Path(model.dir_model), asked["texts"])

    base.TextModel.get_vocab_base_pre = pre
    _end_at(importlib.import_module("gguf"), asked["stops"])
    sys.argv = [str(script), *asked["arguments"]]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise UserError(
                f"llama.cpp's converter refused the model (exit code {ended.code})", place=asked["place"]
            ) from None
    except UserError:
        raise
    except Exception as fault:
        said = str(fault).strip().splitlines() or [type(fault).__name__]
        raise UserError(f"llama.cpp's converter failed: {said[-1][:200]}", place=asked["place"]) from fault


def _base(script: Path) -> Any:
    """The module of the converter that holds its classes: a package of its own in newer versions."""
    if paths.is_dir(script.parent / "conversion"):
        return importlib.import_module("conversion.base")
    return importlib.import_module(script.stem)


def _pre(directory: Path, texts: list[str]) -> str:
    from tuiftune.engine.export.pretokenizers import KNOWN, matching

    place = directory / "tokenizer.json"
    found = matching(documents.read_text(place, 1 << 28), texts)
    if found is None:
        known = ", ".join(one.name for one in KNOWN)
        raise UserError(
            f"llama.cpp has no pre-tokenizer that splits text as this tokenizer does (tried: {known})",
            place="tokenizer.json",
            remedy="serve the merged model instead: --to merged",
        )
    sys.stderr.write(f"pre-tokenizer: {found}, by the same tokens for {len(texts)} texts\n")
    return found


def _end_at(gguf: Any, stops: list[int]) -> None:
    """Write every token at which an answer ends: the format has a place for three."""
    original = gguf.SpecialVocab.add_to_gguf

    def add(vocabulary: Any, *given: Any, **more: Any) -> None:
        known = vocabulary.special_token_ids
        if stops and known.get("eos") not in stops:
            known["eos"] = stops[0]
        left = [stop for stop in stops if stop not in known.values()]
        for name, stop in zip((name for name in ("eot", "eom") if name not in known), left, strict=False):
            known[name] = stop
        original(vocabulary, *given, **more)

    gguf.SpecialVocab.add_to_gguf = add


def quantize(tool: Path, source: str, output: str, name: str, ftype: int) -> None:
    """Quantize a GGUF file by llama-quantize, or by the library. UserError with its last line."""
    if tool.name == "llama-quantize":
        done = subprocess.run(
            [str(tool), source, output, name.upper()], capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()][-LAST:]
            raise UserError(f"llama-quantize failed: {(lines or ['no output'])[-1][:200]}", place=name)
        return
    library = _library(tool)

    class Parameters(ctypes.Structure):
        _fields_ = (("bytes", ctypes.c_uint8 * PARAMETERS),)

    library.llama_model_quantize_default_params.restype = Parameters
    library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Parameters)]
    library.llama_backend_init()
    parameters = library.llama_model_quantize_default_params()
    ctypes.memmove(ctypes.addressof(parameters) + FTYPE, ctypes.byref(ctypes.c_int32(ftype)), 4)
    code = library.llama_model_quantize(source.encode(), output.encode(), ctypes.byref(parameters))
    if code:
        raise UserError(f"llama.cpp could not quantize the file (code {code})", place=name)


def _library(path: Path) -> Any:
    """llama.cpp's library with those next to it that it needs, and the backends that are plug-ins of it."""
    parts = [*paths.matching(path.parent, "libggml-base*.so*"), *paths.matching(path.parent, "libggml.*so*")]
    handles = [ctypes.CDLL(str(one), mode=ctypes.RTLD_GLOBAL) for one in parts]
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    for handle in handles:
        if hasattr(handle, "ggml_backend_load_all_from_path"):
            handle.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
            handle.ggml_backend_load_all_from_path(f"{path.parent}/".encode())
    return library
