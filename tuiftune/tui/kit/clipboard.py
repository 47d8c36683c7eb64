"""Copying text from a terminal: through tmux or OSC 52, and always to a file too."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tuiftune import paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def copy(text: str, by_terminal: Callable[[str], None]) -> str:
    """Copy, and return where the text is. tmux drops OSC 52 by default, so its own command is used."""
    place = _file(text)
    also = f" Also saved in {place}" if place else ""
    if os.environ.get("TMUX"):
        try:
            subprocess.run(
                ["tmux", "load-buffer", "-w", "-"],
                input=text.encode(),
                check=True,
                timeout=2,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError):
            return f"tmux did not accept the text.{also}"
        return f"Copied through tmux.{also}"
    by_terminal(text)
    return f"Copied to the terminal's clipboard.{also}"


def _file(text: str) -> Path | None:
    path = paths.state_home() / "copied.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except (OSError, ValueError):
        return None
    return path
