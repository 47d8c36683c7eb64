"""What the wizard proposes unasked: the data, a name for the run, and the command that runs it."""

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

ROWS = (".jsonl", ".csv", ".tsv", ".parquet")  # what is named so holds rows, and little else
DOCUMENTS = ("docs", "documents", "doc", "manual", "kb", "wiki")
MOST = 5000  # entries of a directory that are looked at


def data_here(folder: Path | None = None) -> tuple[str, ...]:
    """The files of a folder (the present one) that hold rows by their name, sorted."""
    try:
        with os.scandir(folder or ".") as entries:
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
    """What there is to learn from: the one data file that is here, else the built-in rows."""
    here = data_here()
    return shlex.quote(here[0]) if len(here) == 1 else "builtin:tickets"


def first_documents() -> str:
    """The directory that answers are likely to stand in; "" where there is none."""
    return next((name for name in DOCUMENTS if paths.is_dir(Path(name))), "")


def suggested_name(draft: Draft) -> str:
    """At most 64 lower-case letters, digits, dots and dashes, such as `tickets-qwen3-0.6b`."""
    data = Path(draft.data[0].split(":")[-1]).stem if draft.data else "run"
    model = draft.model.rstrip("/").split(":")[-1].rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{data}-{model}").lower()
    name = re.sub(r"\.{2,}", ".", name).strip("-._")[:64].strip("-._")
    return name or "run"


def train_command(preset: str, runs_root: Path | None = None) -> str:
    """The command that runs a saved preset in this directory."""
    known = shutil.which("tuiftune") is not None
    program = "tuiftune" if known else f"{shlex.quote(sys.executable)} -m tuiftune"
    runs = f" --runs {shlex.quote(str(runs_root))}" if runs_root is not None else ""
    return f"{program} train {shlex.quote(preset)}{runs}"


def train_command_from_anywhere(preset: str, runs_root: Path | None = None) -> str:
    """The same for a shell that stands elsewhere: data and preset may be named relative to this directory."""
    return f"cd {shlex.quote(str(paths.here()))} && {train_command(preset, runs_root)}"
