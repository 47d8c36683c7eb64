"""The files that a preset names, and the same preset as the other machine reads it."""

from __future__ import annotations

import glob
import hashlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.preset import places
from tuiftune.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.preset.schema import Preset

HERE = ("run.report_to", "run.sync_to")  # what this machine does itself, from the log that arrives


@dataclass(frozen=True, slots=True)
class Sent:
    """A preset for the other machine, the files and directories that it needs, and their bytes."""

    preset: Preset
    files: tuple[str, ...]
    bytes: int


def root_of(place: str) -> str:
    """Return the directory there for this machine's files: another one's may have the same paths."""
    own = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
    return f"{place}/inputs/{own}"


def sent(preset: Preset, root: str) -> Sent:
    """Return what is sent of a preset: files of this machine lie below `root` there, under their whole paths.

    Raises UserError if a file is not readable, or a run's model is named, which lies in several places.
    """
    files: list[str] = []

    def moved(key: str, text: str) -> str:
        if key in ("model.base", "method.teacher") and text.startswith("run:"):
            name = printable(text.removeprefix("run:"))
            raise UserError(
                "a run as base model cannot be sent",
                place=f"{key}: {printable(text)}",
                remedy=f"export it, and name the directory: tuiftune export {name} --to merged",
            )
        if key in HERE or not os.path.isabs(text):
            return text
        found = [text] if os.path.lexists(text) else sorted(glob.glob(text, recursive=True))
        if not found:
            raise UserError("no such file", place=f"{key}: {printable(text)}", remedy="check the path")
        files.extend(found)
        return root + text

    changed = places.with_paths(places.absolute(preset), moved)
    away: dict[str, Any] = {key: None if key == "run.sync_to" else [] for key in HERE}
    given = {"run.report_to": preset.run.report_to, "run.sync_to": preset.run.sync_to}
    asked = {key: value for key, value in away.items() if given[key]}
    if asked:
        changed = changed.with_values(asked).from_others(changed.others())
    unique = tuple(dict.fromkeys(files))
    return Sent(changed, unique, sum(_bytes(paths.absolute(file)) for file in unique))


def _bytes(path: Path) -> int:
    if paths.is_dir(path):
        return sum(paths.size(file) for file in paths.below(path, hidden=()))
    paths.require(path)
    return paths.size(path)
