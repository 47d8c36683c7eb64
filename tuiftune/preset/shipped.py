"""Built-in presets: in the wheel in this directory, in a checkout in `presets/`."""

from __future__ import annotations

import difflib
from pathlib import Path

from tuiftune import documents, paths, spool
from tuiftune.errors import UserError
from tuiftune.printable import printable

_HERE = paths.followed(Path(__file__)).parent


def directory() -> Path:
    """Return the directory of the built-in presets. UserError if the installation has none."""
    for place in (_HERE / "shipped", _HERE.parents[1] / "presets"):
        if paths.is_file(place / "demo.yaml"):
            return place
    raise UserError("the built-in presets are missing", place=str(_HERE), remedy="reinstall tuiftune")


def comes_along(path: Path) -> bool:
    """Return True if a file is a built-in preset."""
    return paths.followed(path).parent in (_HERE / "shipped", _HERE.parents[1] / "presets")


def names() -> list[str]:
    """Return the names of the built-in presets, sorted."""
    return [path.stem for path in paths.matching(directory(), "*.yaml")]


def files() -> list[Path]:
    """Return the built-in presets' files, in order."""
    return [directory() / f"{name}.yaml" for name in names()]


def find(name_or_path: str) -> Path:
    """Return the preset file: an existing file, a pipe or `-`, else a built-in preset such as `demo`.

    Raises UserError that names the most similar built-in preset.
    """
    path = paths.given(name_or_path)
    if paths.is_file(path) or spool.is_stream(path):
        return path
    known = names()
    if name_or_path in known:
        return directory() / f"{name_or_path}.yaml"
    near = difflib.get_close_matches(path.stem, known, 1, 0.5)
    nearest = f"did you mean `{near[0]}`? " if near else ""
    listed = "list the built-in presets: tuiftune preset list"
    paths.require(path, missing="preset not found", remedy=nearest + listed)
    message = "is a directory, not a preset" if paths.is_dir(path) else "is a device, not a preset"
    raise UserError(message, place=printable(name_or_path), remedy=listed)


def about(path: Path) -> str:
    """Return the first comment line of a preset: its purpose."""
    return documents.read_head(path, 4096).split("\n", 1)[0].lstrip("#").strip()
