"""A technique is named in its own rooms alone: everybody else asks its value. Stages: `test_stages.py`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import tuiftune
from tuiftune import paths, techniques

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = paths.followed(paths.given(tuiftune.__file__)).parent
ROOMS = (
    "techniques",
    "engine/techniques",
    "interop",
    "interop/export",
)  # interop: other tools' names beside ours


def literals(path: Path) -> Iterator[str]:
    """`file:line name` of each text in a file that is a technique's key."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and node.value in techniques.every():
            yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.value}"


def test_no_other_room_names_one() -> None:
    found = [
        one
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parent.as_posix() not in ROOMS
        for one in literals(path)
    ]
    assert found == []


def test_a_name_is_found_where_there_is_one() -> None:
    assert any(list(literals(path)) for path in (PACKAGE / ROOMS[0]).glob("*.py"))
