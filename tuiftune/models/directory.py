"""What a model directory holds: weights, tokenizer, chat template; nothing is loaded."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.models.config import read
from tuiftune.models.count import parameters
from tuiftune.models.counted import architecture
from tuiftune.models.reference import BaseModel
from tuiftune.models.weights import MISSING, WHOLE_FILE

COMPANIONS = ("generation_config.json", "tokenizer_config.json", "special_tokens_map.json")
_PART = re.compile(r"-\d+-of-\d+\.safetensors$")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class Contents:
    """`missing` names weight files that an index asks for and that are not there."""

    weights: bool
    weight_bytes: int
    missing: tuple[str, ...]
    tokenizer: bool
    chat_template: bool


def contents(path: Path) -> Contents:
    """Look into a model directory. An unreadable index counts as missing weights."""
    wanted: set[str] = set()
    missing: list[str] = []
    for name in () if paths.is_file(path / WHOLE_FILE) else _INDEXES:  # as loaders choose
        if paths.is_file(path / name):
            listed = _shards(path / name)
            if listed is None:
                missing.append(name)
            else:
                wanted = listed
            break
    if not wanted and not missing:
        wanted = {
            file.name
            for pattern in ("model*.safetensors", "pytorch_model*.bin")
            for file in paths.matching(path, pattern)
        }
        if WHOLE_FILE in wanted:
            wanted = {WHOLE_FILE}
        if (
            wanted
            and _INDEXES[0].removesuffix(".index.json") not in wanted
            and any(map(_PART.search, wanted))
        ):
            missing.append(_INDEXES[0])  # without which no loader knows the parts
    missing += sorted(name for name in wanted if not paths.is_file(path / name))
    size = sum(paths.size(path / name) for name in wanted)
    return Contents(
        weights=bool(wanted) and not missing,
        weight_bytes=size,
        missing=tuple(missing),
        tokenizer=paths.is_file(path / "tokenizer.json"),
        chat_template=_has_template(path),
    )


def base_model(
    path: Path, reference: str, source: str, revision: str | None = None, *, ask: bool = False
) -> BaseModel:
    """A BaseModel from a directory with a `config.json`; weights may be missing, and a note says so.

    With `ask` an engine process counts a model that no rule counts, which takes some seconds.
    """
    place = path / "config.json"
    if not paths.is_file(place):
        raise _not_a_model(path)
    config = read(place)
    _check_companions(path)
    arch = architecture(config, str(place), ask=ask)
    inside = contents(path)
    notes = list(arch.notes)
    if inside.missing:
        lacking = ", ".join(_lacking(path, name) for name in inside.missing[:3])
        notes.append(f"{MISSING}: {lacking}")
    elif not inside.weights:
        notes.append("this directory does not have weights (model.safetensors)")
    if not inside.tokenizer:
        notes.append("this directory does not have a tokenizer.json")
    return BaseModel(
        reference=reference,
        architecture=arch,
        parameters=parameters(arch),
        source=source,
        path=path,
        licence=_licence(path),
        instruct=inside.chat_template,
        revision=revision,
        weights=inside.weights,
        weight_bytes=inside.weight_bytes if inside.weights else None,
        tokenizer=inside.tokenizer,
        quantization=quantization(config),
        notes=tuple(notes),
    )


def _lacking(path: Path, name: str) -> str:
    """A weight file that can't be used, and why if it is there."""
    if paths.is_file(path / name):
        return f"{name} (names no files)"
    if paths.gone(path / name):
        return name
    return f"{name} ({'a broken link' if os.path.islink(path / name) else 'not a regular file'})"


def _check_companions(path: Path) -> None:
    """UserError where a file that its loaders read in addition to the config isn't one, or isn't a JSON
    object.
    """
    for name in COMPANIONS:
        if not paths.gone(path / name):
            documents.read_json(path / name, remedy="copy the model's files again")
    for name in (*_INDEXES, "tokenizer.json", "chat_template.jinja"):
        if not paths.gone(path / name):
            os.close(documents.open_regular(path / name))


def quantization(config: dict[str, Any]) -> str | None:
    given = config.get("quantization_config")
    if not isinstance(given, dict):
        return None
    bits = given.get("load_in_4bit") or given.get("load_in_8bit")  # older files name no method
    return str(given.get("quant_method", "bitsandbytes" if bits else "unknown"))


def _shards(index: Path) -> set[str] | None:
    try:
        listed = documents.read_json(index)["weight_map"]
        return {Path(str(name)).name for name in listed.values()}
    except (UserError, KeyError, TypeError, AttributeError):
        return None


def _has_template(path: Path) -> bool:
    if paths.is_file(path / "chat_template.jinja") or paths.is_file(path / "chat_template.json"):
        return True
    try:
        return bool(documents.read_json(path / "tokenizer_config.json").get("chat_template"))
    except UserError:
        return False


def _licence(path: Path) -> str | None:
    """The `license:` line at the head of a model card, where there is one."""
    try:
        head = documents.read_head(path / "README.md", 16_000)[:4000]
    except UserError:
        return None
    if not head.startswith("---"):
        return None
    for line in head.split("---", 2)[1].splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "license" and value.strip():
            return "".join(c for c in value.strip() if c.isprintable())[:60]
    return None


def _not_a_model(path: Path) -> UserError:
    if paths.is_file(path / "adapter_config.json"):
        base = "its base model"
        try:
            document = documents.read_json(path / "adapter_config.json")
            base = str(document.get("base_model_name_or_path") or base)
        except UserError:
            base = "its base model"
        return UserError(
            "is an adapter, not a full model", place=str(path), remedy=f"name {base}, or merge it first"
        )
    if paths.matching(path, "*.gguf"):
        return UserError(
            "holds GGUF files, which cannot be trained",
            place=str(path),
            remedy="name the original model",
        )
    return UserError(
        "has no config.json",
        place=str(path),
        remedy="name a directory with config.json, tokenizer.json and weights",
    )
