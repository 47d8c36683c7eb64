"""Imports between files of the package go one way: no file imports itself by way of others."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tuiftune

PACKAGE = Path(tuiftune.__file__).parent
# Circles there are today, of files under tuiftune/: a set may shrink or go; none may come or grow.
RUNNING: list[set[str]] = []
# The same counting imports for type checking.
TYPES: list[set[str]] = []


def modules(package: Path) -> dict[str, Path]:
    """Dotted name under the package → file; a room is its `__init__`."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST, package: str, known: dict[str, Path], types: bool) -> Iterator[str]:
    """Modules that a file imports, in functions too; those for type checking with `types` only."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING" and not types:
        return
    names: list[str] = []
    if isinstance(tree, ast.Import):
        names = [alias.name for alias in tree.names]
    elif isinstance(tree, ast.ImportFrom) and tree.module is not None:
        for alias in tree.names:
            inner = f"{tree.module}.{alias.name}"
            names.append(inner if inner.removeprefix(f"{package}.") in known else tree.module)
    yield from (name.removeprefix(f"{package}.") for name in names if name.startswith(f"{package}."))
    for child in ast.iter_child_nodes(tree):
        yield from imports(child, package, known, types)


def circles(package: Path, *, types: bool) -> list[set[str]]:
    """Groups of two or more modules that all import one another, directly or not (Tarjan 1972)."""
    known = modules(package)
    graph = {
        name: sorted({*imports(ast.parse(path.read_text("utf-8")), package.name, known, types)} & {*known})
        for name, path in known.items()
    }
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        open_.append(name)
        for other in graph[name]:
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in open_:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            at = open_.index(name)
            group = {*open_[at:]}
            del open_[at:]
            if len(group) > 1:
                found.append(group)

    for name in graph:
        if name not in order:
            visit(name)
    return found


def new(found: list[set[str]], listed: list[set[str]]) -> list[set[str]]:
    return [group for group in found if not any(group <= known for known in listed)]


def outside_of_the_app(found: list[set[str]]) -> list[set[str]]:
    """Screens name the app's type, and the app names theirs."""
    return [group for group in found if not all(name.startswith("tui.") for name in group)]


def test_no_circle_comes_or_grows() -> None:
    assert new(circles(PACKAGE, types=False), RUNNING) == []
    assert new(outside_of_the_app(circles(PACKAGE, types=True)), TYPES) == []


@pytest.mark.long
def test_a_circle_that_is_gone_is_taken_off_the_list() -> None:
    for listed, types in ((RUNNING, False), (TYPES, True)):
        found = circles(PACKAGE, types=types)
        assert [known for known in listed if not any(group <= known for group in found)] == []


def test_circles_are_found_in_functions_and_among_types(tmp_path: Path) -> None:
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from house import two\n")
    (package / "two.py").write_text("def late():\n    from house.three import value\n")
    (package / "three.py").write_text("if TYPE_CHECKING:\n    from house.one import Kind\n")
    assert circles(package, types=False) == []
    assert circles(package, types=True) == [{"one", "two", "three"}]
    (package / "three.py").write_text("def late():\n    import house.one\n")
    assert circles(package, types=False) == [{"one", "two", "three"}]
