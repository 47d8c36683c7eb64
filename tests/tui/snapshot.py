"""A screen as a text file that can be read in a diff: its characters, and below them its colours.

Every distinct style of a screen has a letter; the second block holds the letters in place of the characters,
and the legend says what each is. With TUIFTUNE_SNAPSHOTS=write in the environment the test writes the files
anew: look at them before committing them.
"""

from __future__ import annotations

import difflib
import os
import string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rich.style import Style

    from tuiftune.tui.app import TuneApp

FOLDER = Path(__file__).parent / "snapshots"
LETTERS = "." + string.ascii_letters + string.digits
KINDS = ("bold", "dim", "italic", "underline", "reverse", "strike")


def text_of(app: TuneApp) -> str:
    """Characters, colours and legend of the screen that is shown."""
    letters: dict[str, str] = {}
    characters, colours = [], []
    for strip in app.screen._compositor.render_strips():
        row = ""
        for segment in strip:
            name = _name(segment.style)
            letter = letters.setdefault(name, LETTERS[min(len(letters), len(LETTERS) - 1)])
            row += letter * segment.cell_length
        characters.append(strip.text.rstrip())
        colours.append(row)
    legend = [f"{letter} {name}" for name, letter in letters.items()]
    return "\n".join([*characters, "", "colours", *colours, "", *legend]) + "\n"


def check(name: str, app: TuneApp) -> None:
    """Compare the screen with its file. Fails with the difference."""
    path = FOLDER / f"{name}.txt"
    now = text_of(app)
    if os.environ.get("TUIFTUNE_SNAPSHOTS") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
        return
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if now != kept:
        lines = difflib.unified_diff(kept.splitlines(), now.splitlines(), "kept", "now", lineterm="", n=1)
        pytest.fail(
            f"{path.name} has changed; where it should: see tests/tui/snapshot.py\n" + "\n".join(lines)
        )


def _name(style: Style | None) -> str:
    if style is None:
        return "default"
    parts = [f"{style.color.name if style.color else 'default'}"]
    parts.append(f"on {style.bgcolor.name if style.bgcolor else 'default'}")
    return " ".join([*parts, *(kind for kind in KINDS if getattr(style, kind))])
