"""From what the user wrote to a BaseModel: built in, a directory, the cache, the catalog, the hub."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from tuiftune import paths, run_models
from tuiftune.errors import ExitCode, UserError
from tuiftune.hub.cache import cache_root
from tuiftune.models import catalogue, directory
from tuiftune.models.count import parameters
from tuiftune.models.counted import architecture
from tuiftune.models.reference import BaseModel
from tuiftune.printable import printable

BUILTIN = "builtin:tiny"
HUB_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")
_PLACE = "model.base"


def resolve(reference: str, revision: str | None = None) -> BaseModel:
    """What is known of the model a preset names, without loading it.

    Looks at `builtin:tiny`, a local directory, the Hugging Face cache, the catalog, and at last the hub's
    `config.json` (not when `HF_HUB_OFFLINE` is set). UserError with one line where it is none of these.
    """
    asked = reference.strip()
    if not asked:
        raise UserError(
            "names no model",
            place=_PLACE,
            remedy="use a model ID, a local directory, run:NAME or builtin:tiny",
        )
    if asked.startswith("builtin:"):
        return _builtin(asked)
    if asked.startswith(run_models.PREFIX):
        whole = paths.followed(run_models.find(asked.removeprefix(run_models.PREFIX)))
        return directory.base_model(whole, asked, "directory", revision, ask=True)
    path = paths.given(asked)
    if paths.exists(path) or _looks_like_path(asked):
        return _local(path, reference, revision)
    if not HUB_ID.match(asked):
        raise UserError(
            f"'{_printable(asked)}' is neither a model ID nor a directory",
            place=_PLACE,
            remedy=_suggestion(asked),
        )
    entry = catalogue.find(asked)
    found = _cached(entry.id if entry else asked, revision)
    if entry:
        facts = entry.base_model(revision)
        if not found:
            return facts
        return replace(
            found, licence=facts.licence, gated=facts.gated, instruct=found.instruct or facts.instruct
        )
    return found or _hub(asked, revision)


def cached_snapshot(hub_id: str, revision: str | None = None) -> Path | None:
    """The directory of a model in the Hugging Face cache, if its `config.json` is there."""
    if not paths.is_dir(cache_root()):
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub_id, "config.json", revision=revision, cache_dir=cache_root())
    return Path(found).parent if isinstance(found, str) else None


def _builtin(asked: str) -> BaseModel:
    if asked != BUILTIN:
        raise UserError(f"'{_printable(asked)}' is not built in", place=_PLACE, remedy=f"use {BUILTIN}")
    from tuiftune import assets

    base = getattr(assets, "BASE", None)
    if not isinstance(base, Path) or not paths.is_file(base / "config.json"):
        raise UserError(
            "the built-in model is missing from this installation",
            place=_PLACE,
            remedy="reinstall tuiftune",
            exit_code=ExitCode.FAILED,
        )
    return replace(directory.base_model(base, BUILTIN, "builtin"), licence="apache-2.0")


def _looks_like_path(asked: str) -> bool:
    return asked.startswith(("/", "./", "../", "~")) or asked in {".", ".."} or asked.count("/") > 1


def _local(path: Path, reference: str, revision: str | None) -> BaseModel:
    place = _printable(str(path))
    paths.require(path, missing="directory not found", remedy=_suggestion(path.name))
    if paths.is_file(path):
        remedy = "name the directory that holds config.json and the weights"
        if path.suffix == ".gguf":
            remedy = "name the original model: a GGUF file cannot be trained"
        raise UserError("is a file, not a model directory", place=place, remedy=remedy)
    if not os.access(path, os.R_OK | os.X_OK):
        raise UserError("cannot be read (permission denied)", place=place)
    return directory.base_model(paths.followed(path), reference.strip(), "directory", revision, ask=True)


def _cached(hub_id: str, revision: str | None) -> BaseModel | None:
    snapshot = cached_snapshot(hub_id, revision)
    if snapshot is None:
        return None
    found = directory.base_model(snapshot, hub_id, "cache", revision, ask=True)
    notes = found.notes
    if not found.weights:
        notes = (
            *found.architecture.notes,
            "its weights are not complete in the cache: they are downloaded first",
        )
    return replace(found, gated=None, instruct=found.instruct if found.tokenizer else None, notes=notes)


def _hub(hub_id: str, revision: str | None) -> BaseModel:
    from tuiftune.models.hub import fetch_config  # urllib costs 40 ms, and is seldom needed

    config = fetch_config(hub_id, revision, _suggestion(hub_id))
    arch = architecture(config, f"{hub_id}/config.json", ask=True)
    return BaseModel(
        reference=hub_id,
        architecture=arch,
        parameters=parameters(arch),
        source="hub",
        gated=None,
        revision=revision,
        quantization=directory.quantization(config),
        notes=arch.notes,
    )


def _suggestion(asked: str) -> str:
    near = catalogue.nearest(asked)
    return (
        f"did you mean {' or '.join(near)}?"
        if near
        else "use a model ID such as Qwen/Qwen2.5-0.5B-Instruct, a local directory, or builtin:tiny"
    )


def _printable(text: str) -> str:
    clean = printable(text)
    return clean if len(clean) <= 120 else clean[:119] + "…"
