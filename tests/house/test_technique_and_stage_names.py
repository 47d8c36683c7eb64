"""A technique or stage is named in its own rooms alone: everybody else asks its value."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

import tuiftune
from tuiftune import paths, stages, techniques

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = paths.followed(paths.given(tuiftune.__file__)).parent
ROOMS = {
    "technique": ("techniques", "engine/techniques", "interop"),  # interop: other tools' names beside ours
    "stage": ("stages", "engine/stages", "interop"),
}
# Where a name has to be written out, and why.
ALLOWED = {"data/detect/formats.py": {"sft"}}  # the format of a file says its stage


def literals(path: Path, names: set[str]) -> Iterator[str]:
    """`file:line name` of each text in a file that is one of the names."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and node.value in names:
            yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.value}"


@pytest.mark.parametrize("noun", ROOMS)
def test_no_other_room_names_one(noun: str) -> None:
    names = set(techniques.every() if noun == "technique" else stages.every())
    assert names
    found = [
        one
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parent.as_posix() not in ROOMS[noun]
        for one in literals(path, names)
        if one.partition(" ")[2] not in ALLOWED.get(str(path.relative_to(PACKAGE)), set())
    ]
    assert found == []


def test_a_name_is_found_where_there_is_one() -> None:
    for noun, rooms in ROOMS.items():
        names = set(techniques.every() if noun == "technique" else stages.every())
        assert any(list(literals(path, names)) for path in (PACKAGE / rooms[0]).glob("*.py"))
