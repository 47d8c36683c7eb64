"""Completing a path as it is typed."""

from __future__ import annotations

import os
from pathlib import Path

from textual.suggester import Suggester

DATA = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", ".md", ".gz", ".zst")
MOST = 5000  # entries of a directory that are read


class PathSuggester(Suggester):
    """Suggests the first entry that starts with the typed text, data files first; also `builtin:tickets`."""

    def __init__(self, files: bool = True) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._files = files

    async def get_suggestion(self, value: str) -> str | None:
        return complete(value, files=self._files)


def complete(value: str, *, files: bool = True) -> str | None:
    """Return the completed text, or None if there is no match."""
    if not value.strip():
        return None
    if files and "builtin:tickets".startswith(value):
        return "builtin:tickets"
    parent, _, start = value.rpartition("/")
    base = Path(os.path.expanduser(parent + "/" if value.startswith("/") or parent else "."))
    try:
        with os.scandir(base) as entries:
            found = [
                (entry.name, entry.is_dir())  # raw: OSError is caught below
                for _, entry in zip(range(MOST), entries, strict=False)
                if entry.name.startswith(start) and (start.startswith(".") or not entry.name.startswith("."))
            ]
    except OSError:
        return None
    fitting = [(name, is_dir) for name, is_dir in found if is_dir or files]
    if not fitting:
        return None
    name, is_dir = min(fitting, key=lambda item: (not item[0].endswith(DATA), not item[1], item[0]))
    return value + name[len(start) :] + ("/" if is_dir else "")
