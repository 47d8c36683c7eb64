"""Base models that are already on this machine, for the wizard to offer before anything is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.hub.cache import cache_root
from tuiftune.models import directory
from tuiftune.models.resolve import cached_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tuiftune.models.reference import BaseModel

DEEPEST = 3  # directories below one that is given


def found(directories: Iterable[Path] = ()) -> list[BaseModel]:
    """Models with all their weights, in the Hugging Face cache and below the directories, largest last.

    A directory that cannot be read or holds no decoder is passed over: this only makes suggestions.
    """
    models: dict[str, BaseModel] = {}
    for hub_id, snapshot in _cached():
        _add(models, snapshot, hub_id, "cache")
    for root in directories:
        for path in _model_directories(root, DEEPEST):
            _add(models, path, str(path), "directory")
    return sorted(models.values(), key=lambda model: model.parameters)


def _cached() -> Iterable[tuple[str, Path]]:
    root = cache_root()
    if not paths.is_dir(root):
        return
    for repository in paths.matching(root, "models--*"):
        hub_id = repository.name.removeprefix("models--").replace("--", "/")
        snapshot = cached_snapshot(hub_id)
        if snapshot is not None:
            yield hub_id, snapshot


def _add(models: dict[str, BaseModel], path: Path, reference: str, source: str) -> None:
    try:
        model = directory.base_model(path, reference, source)
    except UserError:
        return
    if model.weights and model.tokenizer:
        models[reference] = model


def _model_directories(root: Path, depth: int) -> Iterable[Path]:
    if paths.is_file(root / "config.json"):
        yield root
    elif depth:
        for child in paths.entries(root):
            if paths.is_dir(child) and not child.name.startswith("."):
                yield from _model_directories(child, depth - 1)
