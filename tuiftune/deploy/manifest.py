"""What an exported directory says of itself: what it was made from, how, and whether it was verified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from tuiftune import documents, paths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "tuiftune-export.json"
State = Literal["verified", "failed", "not verified", "unfinished"]


def read(directory: Path) -> dict[str, Any] | None:
    """The manifest of an exported directory; None where it has none, or none that can be read."""
    if not paths.is_file(directory / FILE):
        return None
    try:
        return documents.read_json(directory / FILE)
    except UserError:
        return None


def write(directory: Path, document: Mapping[str, Any]) -> None:
    """Write the manifest whole. Raises OSError."""
    from tuiftune.runs.store.directory import write_text

    write_text(directory / FILE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def files(directory: Path) -> list[dict[str, Any]]:
    """Name and bytes of every file of the directory, the manifest left out."""
    return [
        {"name": str(path.relative_to(directory)), "bytes": paths.size(path)}
        for path in paths.below(directory, ())
        if path.name != FILE
    ]
