"""Where the Hugging Face cache is, and where in it a repository, its commits and its files are."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tuiftune import documents, paths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = re.compile(r"[0-9a-f]{40}")


def cache_root() -> Path:
    """Return the cache's directory, as its library finds it, without importing that."""
    if cache := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return paths.given(cache)
    if home := os.environ.get("HF_HOME"):
        return paths.given(home) / "hub"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return paths.given(base) / "huggingface" / "hub"


def storage(kind: str, name: str) -> Path:
    """Return the directory of a repository in the cache. `kind`: model or dataset."""
    return cache_root() / f"{kind}s--{name.replace('/', '--')}"


def commit_of(kind: str, name: str, revision: str | None) -> str | None:
    """Return the commit that a revision stood for when it was last fetched; None if it never was."""
    asked = revision or "main"
    if COMMIT.fullmatch(asked):
        return asked
    try:
        found = documents.read_text(storage(kind, name) / "refs" / asked).strip()
    except UserError:
        return None
    return found if COMMIT.fullmatch(found) else None


def snapshot(kind: str, name: str, commit: str) -> Path:
    """Return the directory with the files of a commit, by their names."""
    return storage(kind, name) / "snapshots" / commit
