"""The command line that does without the app what the wizard ends with."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from tuiftune import paths

if TYPE_CHECKING:
    from pathlib import Path


def train(preset: str, runs_root: Path | None = None) -> str:
    """The command that runs a saved preset in this directory."""
    known = shutil.which("tuiftune") is not None
    program = "tuiftune" if known else f"{shlex.quote(sys.executable)} -m tuiftune"
    runs = f" --runs {shlex.quote(str(runs_root))}" if runs_root is not None else ""
    return f"{program} train {shlex.quote(preset)}{runs}"


def train_from_anywhere(preset: str, runs_root: Path | None = None) -> str:
    """The same for a shell that stands elsewhere: data and preset may be named relative to this directory."""
    return f"cd {shlex.quote(str(paths.here()))} && {train(preset, runs_root)}"
