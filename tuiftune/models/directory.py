"""What a model directory holds: weights, tokenizer, chat template; nothing is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuiftune.errors import UserError
from tuiftune.models.config import architecture_of, read
from tuiftune.models.count import parameters
from tuiftune.models.reference import BaseModel

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
    for name in _INDEXES:
        if (path / name).is_file():
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
            for file in path.glob(pattern)
        }
    missing += sorted(name for name in wanted if not (path / name).is_file())
    size = sum((path / name).stat().st_size for name in wanted if (path / name).is_file())
    return Contents(
        weights=bool(wanted) and not missing,
        weight_bytes=size,
        missing=tuple(missing),
        tokenizer=(path / "tokenizer.json").is_file(),
        chat_template=_has_template(path),
    )


def base_model(path: Path, reference: str, source: str, revision: str | None = None) -> BaseModel:
    """A BaseModel from a directory with a `config.json`; weights may be missing, and a note says so."""
    place = path / "config.json"
    if not place.is_file():
        raise _not_a_model(path)
    config = read(place)
    arch = architecture_of(config, str(place))
    inside = contents(path)
    notes = list(arch.notes)
    if inside.missing:
        notes.append(f"weight files are missing: {', '.join(inside.missing[:3])}")
    elif not inside.weights:
        notes.append("there are no weights in this directory (model.safetensors)")
    if not inside.tokenizer:
        notes.append("there is no tokenizer.json beside it")
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


def quantization(config: dict[str, Any]) -> str | None:
    given = config.get("quantization_config")
    return str(given.get("quant_method", "unknown")) if isinstance(given, dict) else None


def _shards(index: Path) -> set[str] | None:
    try:
        listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {Path(str(name)).name for name in listed.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _has_template(path: Path) -> bool:
    if (path / "chat_template.jinja").is_file() or (path / "chat_template.json").is_file():
        return True
    try:
        document = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and bool(document.get("chat_template"))


def _licence(path: Path) -> str | None:
    """The `license:` line at the head of a model card, where there is one."""
    try:
        head = (path / "README.md").read_text(encoding="utf-8", errors="replace")[:4000]
    except OSError:
        return None
    if not head.startswith("---"):
        return None
    for line in head.split("---", 2)[1].splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "license" and value.strip():
            return "".join(c for c in value.strip() if c.isprintable())[:60]
    return None


def _not_a_model(path: Path) -> UserError:
    if (path / "adapter_config.json").is_file():
        base = "its base model"
        try:
            document = json.loads((path / "adapter_config.json").read_text(encoding="utf-8"))
            base = str(document.get("base_model_name_or_path") or base)
        except (OSError, ValueError, AttributeError):
            base = "its base model"
        return UserError(
            "is an adapter, not a whole model", place=str(path), remedy=f"name {base}, or merge it first"
        )
    if any(path.glob("*.gguf")):
        return UserError(
            "holds GGUF files, which cannot be trained",
            place=str(path),
            remedy="name the original model they came from",
        )
    return UserError(
        "has no config.json",
        place=str(path),
        remedy="name a directory with config.json, tokenizer.json and weights",
    )
