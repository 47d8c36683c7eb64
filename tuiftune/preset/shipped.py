"""The presets that come along: in the wheel beside this file, in a checkout in `presets/`."""

from __future__ import annotations

import difflib
from pathlib import Path

from tuiftune import documents, paths, spool
from tuiftune.errors import UserError
from tuiftune.printable import printable

_HERE = paths.followed(Path(__file__)).parent


def directory() -> Path:
    """Where the shipped presets lie. Raises UserError when the installation has none."""
    for place in (_HERE / "shipped", _HERE.parents[1] / "presets"):
        if paths.is_file(place / "demo.yaml"):
            return place
    raise UserError("the built-in presets are missing", place=str(_HERE), remedy="reinstall tuiftune")


def comes_along(path: Path) -> bool:
    """Whether a file is one of the shipped presets."""
    return paths.followed(path).parent in (_HERE / "shipped", _HERE.parents[1] / "presets")


def names() -> list[str]:
    """The shipped presets' names, without `.yaml`, in order."""
    return [path.stem for path in paths.matching(directory(), "*.yaml")]


def files() -> list[Path]:
    """Return the built-in presets' files, in order."""
    return [directory() / f"{name}.yaml" for name in names()]


def find(name_or_path: str) -> Path:
    """The preset file meant: a file that exists, a pipe or `-`, else a shipped preset's name such as `demo`.

    Raises UserError that names the nearest shipped preset.
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
    """The first line of a preset's opening comment: what it is for."""
    return documents.read_head(path, 4096).split("\n", 1)[0].lstrip("#").strip()
