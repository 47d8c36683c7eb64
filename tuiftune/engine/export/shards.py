"""Safetensors files read and written tensor by tensor, so that no file is ever held in memory.

Format: eight bytes of length, little-endian; so many bytes of JSON; the tensors
(https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.models import weights
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tuiftune.models.weights import Stored

CHUNK = 16 << 20  # bytes copied at once
TORCH = {
    "F64": "float64",
    "F32": "float32",
    "BF16": "bfloat16",
    "F16": "float16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
STORED = {name: key for key, name in TORCH.items()}
WIDTH = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I16": 2}  # bytes; others: 1


@dataclass(frozen=True, slots=True)
class Planned:
    """A tensor of a file to be written: its safetensors type and its shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        count = 1
        for one in self.shape:
            count *= one
        return count * WIDTH.get(self.dtype, 1)


def read(directory: Path, stored: Stored) -> Any:
    """One tensor of a file, in memory of its own. UserError for a type that torch does not have."""
    import torch

    if stored.dtype not in TORCH:
        raise UserError(
            f"weights of type {printable(stored.dtype)} cannot be read",
            place=printable(str(directory / stored.file)),
            remedy="use the model's 16-bit weights",
        )
    dtype = getattr(torch, TORCH[stored.dtype])
    if stored.begin == stored.end:
        return torch.empty(stored.shape, dtype=dtype)
    held = bytearray(stored.end - stored.begin)
    with documents.opened(directory / stored.file) as file:
        file.seek(stored.begin)
        if file.readinto(held) != len(held):  # type: ignore[attr-defined]
            raise UserError("is truncated", place=printable(str(directory / stored.file)))
    return torch.frombuffer(held, dtype=dtype).reshape(stored.shape)


def write(
    path: Path,
    planned: Iterable[Planned],
    fill: Callable[[Planned], Any],
    metadata: Mapping[str, str],
) -> None:
    """Write a file whole: `fill` gives each tensor in turn, as a tensor or as a place to copy from.

    It is renamed to `path` once it is on disk. A place is a pair of directory and `Stored`.
    """
    order = list(planned)
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    begin = 0
    for one in order:
        header[one.name] = {
            "dtype": one.dtype,
            "shape": list(one.shape),
            "data_offsets": [begin, begin + one.size],
        }
        begin += one.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:  # raw: a new file of ours in a directory of ours
        file.write(len(text).to_bytes(8, "little") + text)
        for one in order:
            given = fill(one)
            if isinstance(given, tuple):
                directory, stored = given
                _copy(directory, stored, file)
            else:
                _dump(given, file)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    if size != 8 + len(text) + begin:
        raise RuntimeError(f"{path.name} has {size} bytes where {8 + len(text) + begin} were planned")
    os.replace(partial, path)


def written(path: Path, planned: Iterable[Planned]) -> bool:
    """Return True if a file with these tensors is there already, as far as its header tells."""
    if not paths.is_file(path):
        return False
    try:
        found = weights.header(path)
    except UserError:
        return False
    return {name: (one.dtype, one.shape) for name, one in found.items()} == {
        one.name: (one.dtype, one.shape) for one in planned
    }


def _dump(tensor: Any, file: Any) -> None:
    import torch

    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    file.write(memoryview(flat))


def _copy(directory: Path, stored: Stored, file: Any) -> None:
    left = stored.end - stored.begin
    with documents.opened(directory / stored.file) as source:
        source.seek(stored.begin)
        while left:
            chunk = source.read(min(CHUNK, left))
            if not chunk:
                raise UserError("is truncated", place=printable(str(directory / stored.file)))
            file.write(chunk)
            left -= len(chunk)
