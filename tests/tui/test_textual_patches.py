"""Private parts of Textual: overridden in one room only, and as they were when that was written."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import io
import textwrap
import tokenize
from pathlib import Path
from tokenize import COMMENT
from typing import TYPE_CHECKING, Any

import pytest
import textual
from test_keys import CLASSES
from textual.widget import Widget

import tuiftune.tui.textual_patches as room
from tuiftune.tui.textual_patches import single_paint

if TYPE_CHECKING:
    from types import ModuleType

MODULES = [
    importlib.import_module(f"{room.__name__}.{path.stem}")
    for path in sorted(Path(room.__file__).parent.glob("*.py"))
    if path.stem != "__init__"
]
RELIED_ON = [(module, part) for module in MODULES for part in module.RELIES_ON]


def fingerprint(part: str) -> str:
    """Twelve digits for the code of `module:Class.method`; comments and layout are no part of it."""
    module, _, path = part.partition(":")
    thing: Any = importlib.import_module(module)
    for name in path.split("."):
        thing = vars(thing)[name]
    thing = thing.fget if isinstance(thing, property) else inspect.unwrap(getattr(thing, "__func__", thing))
    source = io.StringIO(textwrap.dedent(inspect.getsource(thing)))
    words = [token.string for token in tokenize.generate_tokens(source.readline) if token.type != COMMENT]
    return hashlib.sha256("".join("".join(words).split()).encode()).hexdigest()[:12]


@pytest.mark.parametrize(("module", "part"), RELIED_ON, ids=lambda each: getattr(each, "__name__", each))
def test_textual_is_as_the_patch_found_it(module: ModuleType, part: str) -> None:
    found = fingerprint(part)
    assert found == module.RELIES_ON[part], (
        f"Textual {textual.__version__} has another {part} than {module.TEXTUAL}; {module.__name__} needs "
        f"it. Read the new one, change the patch where needed, then write {found!r} and the version there."
    )


def test_a_change_of_code_is_seen_and_a_change_of_words_is_not(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "painter_one.py").write_text("class A:\n    def f(self):\n        return 1  # once\n")
    (tmp_path / "painter_two.py").write_text("class A:\n\n    def f(self):\n        return 1\n")
    (tmp_path / "painter_three.py").write_text("class A:\n    def f(self):\n        return 2  # once\n")
    one, two, three = (fingerprint(f"painter_{name}:A.f") for name in ("one", "two", "three"))
    assert one == two != three


def overridden(kind: type[Any]) -> set[str]:
    """Private attributes that a class defines anew, other than those each class of Textual is given."""
    given = set(vars(type("Plain", (Widget,), {})))
    bases = [base for base in kind.__mro__[1:] if base.__module__.startswith("textual")]
    return {
        name
        for name in vars(kind)
        if name.startswith("_") and not name.startswith("__") and name not in given
        if any(name in vars(base) for base in bases)
    }


def test_private_parts_are_overridden_in_one_room() -> None:
    assert overridden(single_paint.SinglePaintScreen) >= {"_compose", "_compositor_refresh"}
    found = {kind: overridden(kind) for kind in CLASSES if not kind.__module__.startswith(room.__name__)}
    assert {kind: names for kind, names in found.items() if names} == {}


def test_private_modules_are_imported_in_one_room() -> None:
    app = Path(room.__file__).parents[1]
    for path in app.rglob("*.py"):
        if room.__name__.rpartition(".")[2] not in path.parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textual"):
                    assert "._" not in (node.module or ""), path
                if isinstance(node, ast.Attribute):
                    assert node.attr not in {"_compositor", "_filters", "_display"}, path
