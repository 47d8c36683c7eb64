"""Where the paths in a preset start: at the preset's own directory.

On the command line (`--set data.train=FILE`) they start at the working directory, and a run records them
absolute. In memory a relative path always starts at the working directory, so that the rest of the program
needs no other rule.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.preset.schema import Preset

KEYS = (
    "model.base",
    "data.train",
    "data.eval",
    "data.test",
    "data.mix",
    "method.rewards",
    "run.sync_to",
    "method.teacher",
)  # that may hold paths
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+-]*:")  # builtin:, run:, hf:, https:
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_STREAMS = ("-", "/dev/stdin")


def from_file(preset: Preset, file: Path) -> tuple[Preset, list[str]]:
    """Return a preset as read from `file` with paths that hold from the working directory, and warnings.

    A path that leads nowhere from the preset's directory, but somewhere from the working directory, is taken
    as such with a warning: that is how earlier versions read them.
    """
    directory = file.parent
    if _same(directory, Path(os.curdir)):
        return preset, []
    warnings: list[str] = []

    def moved(key: str, text: str) -> str:
        if not _relative(text):
            return text
        if _is_there(text, directory):
            return _joined(directory, text)
        if _is_there(text, Path(os.curdir)):
            better = _from(text, directory)
            warnings.append(
                f"`{key}`: {text} is not in the preset's directory; read from the working directory instead. "
                f"Write {better} in the preset."
            )
            return text
        return text if _is_name(key, text, directory) else _joined(directory, text)

    return with_paths(preset, moved), warnings


def for_file(preset: Preset, file: Path) -> Preset:
    """Return a preset as it is to be written to `file`: the reverse of `from_file`."""
    directory = file.parent
    if _same(directory, Path(os.curdir)):
        return preset

    def moved(key: str, text: str) -> str:
        here = Path(os.curdir)
        if not _relative(text) or (_is_name(key, text, here) and not _is_there(text, here)):
            return text
        return _from(text, directory)

    return with_paths(preset, moved)


def absolute(preset: Preset) -> Preset:
    """Return the preset with paths from the root on, which hold from any directory."""

    def moved(key: str, text: str) -> str:
        here = Path(os.curdir)
        if not _relative(text) or (_is_name(key, text, here) and not _is_there(text, here)):
            return str(paths.given(text)) if text.startswith("~") else text
        return str(paths.absolute(text))

    return with_paths(preset, moved)


def with_paths(preset: Preset, moved: Callable[[str, str], str]) -> Preset:
    document = preset.model_dump(mode="json", exclude_unset=True)
    changed: dict[str, Any] = {}
    for key in KEYS:
        section, _, leaf = key.partition(".")
        value = document.get(section, {}).get(leaf)
        fresh = _each(value, key, moved)
        if fresh != value:
            changed[key] = fresh
    if not changed:
        return preset
    origins = preset.others()
    return preset.with_values(changed).from_others(origins)


def _each(value: Any, key: str, moved: Callable[[str, str], str]) -> Any:
    if isinstance(value, str):
        return moved(key, value)
    if isinstance(value, list):
        return [_each(item, key, moved) for item in value]
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        return {**value, "path": moved(f"{key}.path", value["path"])}
    return value


def _relative(text: str) -> bool:
    return not (
        text in _STREAMS or os.path.isabs(text) or text.startswith("~") or _SCHEME.match(text) or not text
    )


def _is_name(key: str, text: str, directory: Path) -> bool:
    """Whether it names something on the Hugging Face Hub rather than a path, where nothing of it is there."""
    if key in ("model.base", "method.teacher"):
        return not (text.startswith(("./", "../")) or text.count("/") > 1)
    if key == "run.sync_to":
        return False
    in_hub = bool(_HUB_ID.fullmatch(text)) and not os.path.splitext(text)[1]
    return in_hub and not paths.is_dir(_joined(directory, os.path.dirname(text)))


def _is_there(text: str, directory: Path) -> bool:
    path = _joined(directory, text)
    try:
        return os.path.lexists(path) or (
            glob.has_magic(text) and next(glob.iglob(path, recursive=True), None) is not None
        )
    except (OSError, ValueError):
        return False


def _joined(directory: Path, text: str) -> str:
    """The path as it is seen from the working directory."""
    base = paths.followed(directory) if os.pardir in text.split("/") else directory
    return paths.from_here(os.path.normpath(os.path.join(base, text)))


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)  # raw: OSError is told
    except OSError:
        return str(one) == str(other)


def _from(text: str, directory: Path) -> str:
    """The path as seen from a directory; as it is where the working directory was deleted."""
    try:
        return os.path.relpath(text, directory)  # raw: OSError is told
    except OSError:
        return text
