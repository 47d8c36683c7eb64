"""The file that clean rows are written to, and how the draft then uses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.wizard.draft import Draft

SUFFIXES = {".gz", ".zst", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".md"}
ENDINGS = (".jsonl", ".train.jsonl", ".validation.jsonl", ".test.jsonl", ".manifest.json", ".changes.jsonl")
CLEANED = re.compile(r"\.clean(-\d+)?$")
TRAIN, VALIDATION = ".train.jsonl", ".validation.jsonl"


def output_of(sources: Sequence[str], files: Sequence[Path]) -> Path:
    """Return an unused name next to the data: `rows.csv.gz` gives `rows.clean.jsonl`, and that
    `rows.clean-2.jsonl`.

    Built-in data is written to the current directory.
    """
    given = paths.given(sources[0])
    own = not sources[0].startswith("builtin:") and paths.exists(given)
    directory = given.parent if own else Path()
    name = files[0].name
    while Path(name).suffix.lower() in SUFFIXES:
        name = Path(name).stem
    name = CLEANED.sub("", name) or name
    number = 1
    while True:
        stem = f"{name}.clean" + (f"-{number}" if number > 1 else "")
        if not any(paths.exists(directory / f"{stem}{ending}") for ending in ENDINGS):
            return directory / f"{stem}.jsonl"
        number += 1


def free(text: str) -> Path:
    """Return the path of a new file. Raises UserError if it, or a file written next to it, exists."""
    path = paths.given(text)
    if not path.name or paths.is_dir(path):
        raise UserError("is a directory", place=text or "write to", remedy="name a file in it")
    if path.suffix.lower() not in {".jsonl", ".ndjson", ".json"}:
        path = path.with_name(f"{path.name}.jsonl")
    stem = path.with_suffix("").name
    taken = next(
        (path.with_name(stem + end) for end in ENDINGS if paths.exists(path.with_name(stem + end))), None
    )
    if taken is not None:
        raise UserError("the file already exists", place=str(taken), remedy="use another name")
    return path


def repaired(draft: Draft, written: Sequence[Path]) -> Draft:
    """Return the draft with the files of a clean run: the first to train on, the second to evaluate on."""
    train, *others = written
    draft = with_sources(draft, (str(train),)).with_(format="auto", columns={})
    return draft.override("data.eval", str(others[0])) if others else draft


def with_sources(draft: Draft, sources: tuple[str, ...]) -> Draft:
    """Return the draft with other data, without an evaluation file that was split off the old data."""
    held = draft.overrides.get("data.eval")
    if draft.data != sources and isinstance(held, str) and len(draft.data) == 1:
        old = draft.data[0]
        if old.endswith(TRAIN) and held == old.removesuffix(TRAIN) + VALIDATION:
            draft = draft.override("data.eval", None)
    return draft.with_(data=sources)
