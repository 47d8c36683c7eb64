"""llama.cpp on this machine: its converter, and what quantizes below 8 bits.

The converter is a script of llama.cpp's repository and in no Python package: `gguf`, the official package,
holds what it writes with. It is looked for in the directory of `--llama-cpp`, in $TUIFTUNE_LLAMA_CPP, on the
PATH, and in `llama.cpp` of this program's own state. Its own `gguf` is used: the two belong together.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuiftune.deploy.base import Facts

OPTION, VARIABLE = "llama_cpp", "TUIFTUNE_LLAMA_CPP"
CONVERTER, ADAPTERS, QUANTIZER = "convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "llama-quantize"
FAMILIES = "conversion/__init__.py"  # of newer versions: holds TEXT_MODEL_MAP, architecture to module
REGISTERED = re.compile(r"^@Model(?:Base)?\.register\(([^)]*)\)", re.MULTILINE)  # of older ones
LONGEST = 1 << 22  # characters of the converter's source
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


def known(script: Path) -> frozenset[str]:
    """The architectures that a converter has a conversion for, as config.json names them, by its own list.

    It is read, not run. Empty where the list has another form.
    """
    listed = script.parent / FAMILIES
    if paths.is_file(listed):
        return _mapped(documents.read_text(listed, LONGEST))
    found = REGISTERED.findall(documents.read_text(script, LONGEST))
    return frozenset(name for given in found for name in re.findall(r'"([^"]+)"', given))


def _mapped(source: str) -> frozenset[str]:
    """The keys of TEXT_MODEL_MAP in a module's source."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return frozenset()
    for node in body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.value, ast.Dict):
            continue
        if isinstance(node.target, ast.Name) and node.target.id == "TEXT_MODEL_MAP":
            keys = [one.value for one in node.value.keys if isinstance(one, ast.Constant)]
            return frozenset(key for key in keys if isinstance(key, str))
    return frozenset()


def check_family(facts: Facts, script: Path) -> None:
    """UserError names the architecture that the converter does not know."""
    there = known(script)
    if there and facts.architectures and not there & set(facts.architectures):
        raise UserError(
            f"llama.cpp's converter does not know {printable(facts.architectures[0])}",
            place="--to gguf",
            remedy="export --to merged, or name a newer llama.cpp with --llama-cpp DIR",
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
