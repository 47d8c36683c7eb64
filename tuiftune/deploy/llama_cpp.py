"""llama.cpp on this machine: its converter, and what quantizes below 8 bits.

The converter is a script of llama.cpp's repository and in no Python package: `gguf`, the official package,
holds what it writes with. It is looked for in the directory of `--llama-cpp`, in $TUIFTUNE_LLAMA_CPP, on the
PATH, and in `llama.cpp` of this program's own state. Its own `gguf` is used: the two belong together.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OPTION, VARIABLE = "llama_cpp", "TUIFTUNE_LLAMA_CPP"
CONVERTER, ADAPTERS, QUANTIZER = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "llama-quantize"
LIBRARIES = ("libllama.so", "libllama.*.so", "libllama.dylib")
BUILT = ("", "build/bin", "bin", "bins")
GET = (
    "run `git clone --depth 1 https://github.com/ggml-org/llama.cpp` and name its directory with "
    f"--llama-cpp DIR or {VARIABLE} (the source of the llama-cpp-python package holds one, too)"
)


def places(options: Mapping[str, str]) -> list[Path]:
    """Directories that llama.cpp may be in; several can be named, as on a PATH."""
    named = options.get(OPTION) or os.environ.get(VARIABLE)
    if named:
        return [paths.absolute(one) for one in named.split(os.pathsep) if one]
    on_path = [shutil.which(name) for name in (CONVERTER, QUANTIZER)]
    found = [paths.followed(paths.given(one)).parent for one in on_path if one]
    return [*found, paths.state_home() / "llama.cpp"]


def converter(options: Mapping[str, str], script: str = CONVERTER) -> Path:
    """The converter's script. UserError says where it can be had."""
    for place in places(options):
        for within in ("", "vendor/llama.cpp"):
            if paths.is_file(place / within / script):
                return place / within / script
    named = options.get(OPTION) or os.environ.get(VARIABLE)
    raise UserError(
        f"GGUF files are written by llama.cpp's {script}, which "
        + ("is not in this directory" if named else "is not on this machine"),
        place=printable(str(named)) if named else "--to gguf",
        remedy=GET,
    )


def quantizer(options: Mapping[str, str]) -> Path:
    """llama-quantize, or the library that it is made of. UserError says where it can be had."""
    for place in places(options):
        for within in BUILT:
            if paths.is_file(place / within / QUANTIZER):
                return place / within / QUANTIZER
        for within in BUILT:
            for pattern in LIBRARIES:
                for path in paths.matching(place / within, pattern):
                    return path
    if found := shutil.which(QUANTIZER):
        return paths.given(found)
    raise UserError(
        "precisions below 8 bits are made by llama.cpp's llama-quantize, which is not on this machine",
        place="--quantize",
        remedy="build llama.cpp (cmake -B build && cmake --build build --target llama-quantize) and name its "
        f"directory with --llama-cpp DIR or {VARIABLE}; q8_0 needs nothing",
    )
