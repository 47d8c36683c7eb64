"""Defaults that the wizard proposes: data files, a name for the run, and the command that runs it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths

if TYPE_CHECKING:
    from tuiftune.wizard.draft import Draft

ROWS = (".jsonl", ".csv", ".tsv", ".parquet")  # suffixes of files that usually hold rows
DOCUMENTS = ("docs", "documents", "doc", "manual", "kb", "wiki")
MOST = 5000  # entries of a directory that are read


def data_here(directory: Path | None = None) -> tuple[str, ...]:
    """Return the files of a directory (default: the current one) that hold rows by their suffix, sorted."""
    try:
        with os.scandir(directory or ".") as entries:
            return tuple(
                sorted(
                    entry.name
                    for _, entry in zip(range(MOST), entries, strict=False)
                    if entry.name.endswith(ROWS) and not entry.name.startswith(".") and os.path.isfile(entry)
                )
            )
    except OSError:
        return ()


def first_data() -> str:
    """Return the only data file of the current directory, else the built-in rows."""
    here = data_here()
    return shlex.quote(here[0]) if len(here) == 1 else "builtin:tickets"


def first_documents() -> str:
    """Return the directory that probably holds documents; "" if there is none."""
    return next((name for name in DOCUMENTS if paths.is_dir(Path(name))), "")


def suggested_name(draft: Draft) -> str:
    """Return at most 64 lowercase letters, digits, dots and dashes, such as `tickets-qwen3-0.6b`."""
    data = Path(draft.data[0].split(":")[-1]).stem if draft.data else "run"
    model = draft.model.rstrip("/").split(":")[-1].rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{data}-{model}").lower()
    name = re.sub(r"\.{2,}", ".", name).strip("-._")[:64].strip("-._")
    return name or "run"


def train_command(preset: str, runs_root: Path | None = None) -> str:
    """Return the command that runs a saved preset in this directory."""
    known = shutil.which("tuiftune") is not None
    program = "tuiftune" if known else f"{shlex.quote(sys.executable)} -m tuiftune"
    runs = f" --runs {shlex.quote(str(runs_root))}" if runs_root is not None else ""
    return f"{program} train {shlex.quote(preset)}{runs}"


def train_command_from_anywhere(preset: str, runs_root: Path | None = None) -> str:
    """Return the command that runs a saved preset from any directory, for paths relative to this one."""
    return f"cd {shlex.quote(str(paths.here()))} && {train_command(preset, runs_root)}"
