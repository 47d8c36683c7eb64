"""What a script reads of its parsed arguments, it has declared: no type checker looks into a Namespace."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path
    for folder in ("benchmarks", "screenshots", "tuiftune")
    for path in (ROOT / folder).rglob("*.py")
    if "parse_args" in path.read_text("utf-8")
)


def undeclared(tree: ast.AST) -> set[str]:
    """Attributes read of what `parse_args` gave, or of a Namespace, that no argument declares."""
    declared: set[str] = set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            for one in node.keywords:
                if one.arg == "dest" and isinstance(one.value, ast.Constant):
                    declared.add(str(one.value.value))
            if node.func.attr == "add_argument":
                words = [str(one.value) for one in node.args if isinstance(one, ast.Constant)]
                declared |= {word.lstrip("-").replace("-", "_") for word in words}
            if node.func.attr == "set_defaults":
                declared |= {str(one.arg) for one in node.keywords}
        if isinstance(node, ast.Assign) and "parse_args" in ast.unparse(node.value):
            names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
        if isinstance(node, ast.arg) and node.annotation and "Namespace" in ast.unparse(node.annotation):
            names.add(node.arg)
    read = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
    }
    return read - declared


def test_a_name_that_is_not_declared_is_found() -> None:
    script = "p.add_argument('--cards')\ngiven = p.parse_args()\nprint(given.gpus, given.cards)"
    assert undeclared(ast.parse(script)) == {"gpus"}
    assert SCRIPTS


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_arguments_that_are_read_are_declared(path: Path) -> None:
    assert not undeclared(ast.parse(path.read_text("utf-8")))
