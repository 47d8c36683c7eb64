"""A whole model in 16 bits: the base model's files with adapters merged in, or the files of a full result.

Written shard by shard. A shard that is there already, with the tensors it should have, is kept: the directory
belongs to one export of one result.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.engine.export import merging, shards
from tuiftune.engine.model import base as bases
from tuiftune.errors import UserError
from tuiftune.models import weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tuiftune.models.weights import Stored

# What a model directory needs in addition to its weights; code only where the base model was loaded with it.
SMALL = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken", "LICENSE*", "NOTICE*", "USE_POLICY*")
CODE = ("*.py",)
RESULTS = (
    "generation_config.json",
    "chat_template.jinja",
)  # of the result: where answers end, and its template
OLD_TEMPLATE = "chat_template.json"  # read by earlier versions only; the result has chat_template.jinja
INDEX = weights.INDEX


@dataclass(frozen=True, slots=True)
class Source:
    """Where a whole model is made from.

    Attributes:
        weights: directory whose safetensors files are followed: the base model's, or a full result's.
        files: directory of the configuration: the base model's, or a full result's.
        tokenizer: directory of the tokenizer's files: the base model's, where it is there.
        result: the result's model directory.
        merge: the adapters to merge in; None: none.
        dtype: what the weights become, by torch's name; None: as they are.
    """

    weights: Path
    files: Path
    tokenizer: Path
    result: Path
    merge: merging.Merge | None
    dtype: str | None
    remote_code: bool = False


def write(source: Source, into: Path, tell: Callable[[int, int], None]) -> None:
    """Write the model into a directory. `tell` is told (bytes written, bytes in all)."""
    stored = weights.tensors(source.weights)
    kept = merging.dtypes(stored, source.dtype)
    by_file: dict[str, list[shards.Planned]] = {}
    for name, one in stored.items():
        by_file.setdefault(one.file, []).append(shards.Planned(name, kept[name], one.shape))
    total, done = sum(one.size for group in by_file.values() for one in group), 0
    touched = source.merge.touched if source.merge else set()
    for number, (file, planned) in enumerate(sorted(by_file.items()), 1):
        tell(done, total)
        name = _name(number, len(by_file))
        size = sum(one.size for one in planned)
        if not shards.written(into / name, planned):
            if not touched & {one.name for one in planned} and _unchanged(planned, stored):
                _copy(source.weights / file, into / name)
            else:
                counted = _Counted(source, stored, tell, done, total)
                order = sorted(planned, key=lambda one: one.name)
                shards.write(into / name, order, counted.fill, {"format": "pt"})
        elif source.merge:
            source.merge.passed(one.name for one in planned)
        done += size
    if source.merge:
        source.merge.finish()
    if len(by_file) > 1:
        _index(by_file, into, total)
    copy_small(source, into)
    if source.dtype is not None and source.dtype != weights.stored_dtype(source.weights):
        _say_dtype(into / "config.json", source.dtype)
    tell(total, total)


def copy_small(source: Source, into: Path) -> None:
    """Copy configuration, tokenizer and template: the base model's files, and the result's own."""
    for pattern in SMALL + (CODE if source.remote_code else ()):
        for path in paths.matching(source.files, pattern):
            if path.name not in (INDEX, OLD_TEMPLATE) and paths.is_file(path):
                shutil.copyfile(path, into / path.name)
    for place, names in ((source.tokenizer, weights.TOKENIZER), (source.result, RESULTS)):
        for name in names:
            if name != OLD_TEMPLATE and paths.is_file(place / name):
                shutil.copyfile(place / name, into / name)


class _Counted:
    """Gives the tensors of a shard, and tells how many bytes there are so far."""

    def __init__(
        self,
        source: Source,
        stored: Mapping[str, Stored],
        tell: Callable[[int, int], None],
        done: int,
        total: int,
    ) -> None:
        self._source, self._stored, self._tell, self._done, self._total = source, stored, tell, done, total

    def fill(self, one: shards.Planned) -> Any:
        self._done += one.size
        self._tell(self._done, self._total)
        there = self._stored[one.name]
        made = self._source.merge.tensor(one.name) if self._source.merge else None
        if made is None and one.dtype == there.dtype:
            return self._source.weights, there
        tensor = shards.read(self._source.weights, there) if made is None else made
        return _as(tensor, one)


def _as(tensor: Any, one: shards.Planned) -> Any:
    """The tensor in its type. UserError where it has values that the type cannot hold."""
    import torch

    dtype = getattr(torch, shards.TORCH[one.dtype])
    made = tensor.to(dtype)
    if made.is_floating_point() and not bases.finite(made):
        raise UserError(
            f"{one.name} has values that {shards.TORCH[one.dtype]} cannot hold",
            place="--quantize",
            remedy="use bfloat16",
        )
    return made


def _unchanged(planned: list[shards.Planned], stored: Mapping[str, Stored]) -> bool:
    return all(one.dtype == stored[one.name].dtype for one in planned)


def _copy(source: Path, to: Path) -> None:
    """Copy a file whole, or not at all."""
    partial = to.with_name(f".{to.name}.partial")
    shutil.copyfile(paths.followed(source), partial)
    os.replace(partial, to)


def _name(number: int, count: int) -> str:
    return "model.safetensors" if count == 1 else f"model-{number:05}-of-{count:05}.safetensors"


def _index(by_file: Mapping[str, list[shards.Planned]], into: Path, total: int) -> None:
    placed = {
        one.name: _name(number, len(by_file))
        for number, (_, planned) in enumerate(sorted(by_file.items()), 1)
        for one in planned
    }
    document = {"metadata": {"total_size": total}, "weight_map": dict(sorted(placed.items()))}
    (into / INDEX).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _say_dtype(config: Path, dtype: str) -> None:
    """Name the type in the configuration, under the keys that it has."""
    document = documents.read_json(config)
    sections = [document, *(one for one in document.values() if isinstance(one, dict))]
    for section in sections:
        for key in ("dtype", "torch_dtype"):
            if isinstance(section.get(key), str):
                section[key] = dtype
    if "dtype" not in document and "torch_dtype" not in document:
        document["dtype"] = dtype
    config.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
