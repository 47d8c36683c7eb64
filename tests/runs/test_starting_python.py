"""Processes of our own are started in one way, and nothing of the working directory is imported by them."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tuiftune
from tuiftune import engine_call, interpreter
from tuiftune.engine_call import Job

PACKAGE = Path(tuiftune.__file__).parent
MODULES = ("random", "json", "torch", "tokenizers", "jinja2", "transformers", "polars", "queue", "secrets")
# What only prints a command line for a person.
PRINTED = {"wizard/proposals.py"}


@pytest.fixture
def trapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory full of modules that leave a mark where they are imported."""
    for name in MODULES:
        trap = f"import pathlib\npathlib.Path({str(tmp_path)!r}, 'imported-{name}').touch()\n"
        (tmp_path / f"{name}.py").write_text(trap + "raise SystemExit(9)\n")
    (tmp_path / "rows.jsonl").write_text(json.dumps({"prompt": "one", "completion": "two"}) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def marks(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob("imported-*"))


def test_only_one_place_starts_python() -> None:
    python, engine = set(), set()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.executable", "sys.orig_argv"):
                python.add(place)
            if isinstance(node, ast.Constant) and node.value == "tuiftune.engine":
                engine.add(place)
    assert python - PRINTED == {"interpreter.py"}
    assert engine == {"engine_call.py"}, "jobs are the only way to the engine"


@pytest.mark.parametrize("paths", [None, "", ".", ":/nowhere", "{here}"])
def test_modules_of_the_working_directory_are_not_imported(
    trapped: Path, monkeypatch: pytest.MonkeyPatch, paths: str | None
) -> None:
    if paths is not None:
        monkeypatch.setenv("PYTHONPATH", paths.format(here=trapped))
    child = "subprocess.run([sys.executable, '-c', 'import random'], check=True)"
    code = f"import random, json, jinja2, subprocess, sys; {child}"
    words = interpreter.command("tuiftune")
    process = interpreter.start([*words[: words.index("-m")], "-c", code])
    assert process.wait(60) == 0
    assert marks(trapped) == []


def test_the_package_is_found_without_being_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("site.getsitepackages", list)
    paths = interpreter.environment()["PYTHONPATH"].split(os.pathsep)
    assert paths[0] == str(PACKAGE.parent)


@pytest.mark.slow
def test_the_engine_asked_for_tokens_imports_nothing_from_here(trapped: Path) -> None:
    said = engine_call.ask(Job("tokens", ("--model", "builtin:tiny", "--", "rows.jsonl")))
    assert said is not None
    assert json.loads(said)["trained"] > 0
    assert marks(trapped) == []


def test_the_command_run_as_a_module_imports_nothing_from_here(trapped: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tuiftune", "data", "inspect", "rows.jsonl", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert marks(trapped) == []


def test_a_process_starts_although_the_working_directory_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries ask for it while they are imported."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    words = [sys.executable, "-c", "import os; print(os.getcwd())"]
    process = interpreter.start(words, stdout=subprocess.PIPE)
    assert process.communicate()[0] == b"/\n"
