"""Nobody looks at a path, or reads a file that others may have written, but through the rooms for it.

`pathlib` raises where `tuiftune.paths` answers, and `json.loads` follows any depth and any number of digits.
A line that needs neither says why: `# raw: …`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tuiftune

HOUSE = Path(tuiftune.__file__).parent
ROOMS = {"paths.py", "documents.py"}
PREDICATES = {"exists", "is_dir", "is_file", "is_symlink", "is_fifo", "is_mount", "expanduser", "lstat"}
LISTINGS = {"iterdir", "glob", "rglob"}
WITHOUT_ARGUMENTS = {"resolve", "stat", "absolute"}
READERS = {"read_text", "read_bytes"}
FUNCTIONS = {
    "path": {"abspath", "relpath", "samefile"},
    "os": {"getcwd", "listdir"},
    "Path": {"cwd", "home"},
    "json": {"load", "loads"},
    "yaml": {"load", "safe_load"},
}
MARK = "# raw: "


def offences(source: str) -> list[tuple[int, str]]:
    """(line, call) of whatever goes past the rooms."""
    lines = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, of = node.func.attr, node.func.value
        owner = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
        raw = (
            (name in PREDICATES | LISTINGS and owner not in ("paths", "glob", "os") and not _is_os_path(of))
            or (name in WITHOUT_ARGUMENTS and not node.args and owner != "os")
            or (name in READERS and owner != "documents")
            or name in FUNCTIONS.get(owner, ())
            or (name == "open" and owner != "os" and _reads(node))
        )
        if raw and not any(MARK in line for line in lines[node.lineno - 1 : node.end_lineno]):
            found.append((node.lineno, f"{owner}.{name}"))
    return found


def _reads(node: ast.Call) -> bool:
    """Whether an `open` is for reading: by its mode, or by a keyword of text files where none is given."""
    if node.args:
        mode = node.args[0]
        return isinstance(mode, ast.Constant) and re.fullmatch(r"r[bt+]*", str(mode.value)) is not None
    return any(keyword.arg in ("encoding", "errors") for keyword in node.keywords)


def _is_os_path(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"


def test_every_look_and_every_reading_goes_through_its_room() -> None:
    found = {
        f"{path.relative_to(HOUSE.parent)}:{line}": call
        for path in sorted(HOUSE.rglob("*.py"))
        if path.relative_to(HOUSE).as_posix() not in ROOMS
        for line, call in offences(path.read_text("utf-8"))
    }
    assert not found, "use tuiftune.paths or tuiftune.documents, or say why not with `# raw: …`"


def test_the_search_finds_each_kind() -> None:
    raw = ["p.exists()", "Path(x).is_dir()", "(a / b).is_file()", "p.expanduser()", "p.resolve()", "p.stat()"]
    raw += [
        "Path.cwd()",
        "os.getcwd()",
        "os.path.abspath(p)",
        "os.path.relpath(p)",
        "json.loads(t)",
        "json.load(f)",
    ]
    raw += [
        "p.read_text()",
        "p.read_bytes()",
        "p.glob('*')",
        "p.rglob('*')",
        "p.iterdir()",
        "path.exists()",
        "p.open('rb')",
        "p.open(encoding='utf-8')",
        "json.load(f)",
    ]
    assert [line for line in raw if not offences(line)] == []
    sound = ["paths.exists(p)", "os.path.exists(p)", "documents.read_text(p)", "os.stat(p)", "glob.glob(p)"]
    sound += ["models.resolve(name)", "json.loads(t)  # raw: written a line above", "os.path.expanduser(p)"]
    assert [line for line in sound if offences(line)] == []
