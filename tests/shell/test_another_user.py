"""The command line as a user without rights: what is not theirs is told in one line, with its exit code."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from shell_kit import ROOT, ROWS, Shell, preset

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
NOT_NEEDED = {"site-packages", "test", "idlelib", "tkinter", "ensurepip", "__pycache__"}
RECORDED = ROOT / "tests" / "fixtures" / "demo"


def reachable(path: Path) -> bool:
    """Return True if other users may enter a directory and all above it."""
    return all(os.stat(one).st_mode & stat.S_IXOTH for one in (path, *path.parents))


def link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)
    return target


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A shell in a directory that others may enter: pytest's own are closed to them."""
    directory = Path(tempfile.mkdtemp(prefix="tuiftune-shell-"))
    directory.chmod(0o755)
    yield Shell(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def nobody(shell: Shell) -> str:
    """The program that is tuiftune for nobody, who has a Python and a directory (`theirs`) of their own."""
    packages = Path(sysconfig.get_path("purelib"))
    if os.getuid() or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, by setpriv")
    if not (reachable(ROOT) and reachable(packages)):
        pytest.skip("the checkout or its packages lie where other users may not look")
    home = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = shell.directory / "python"
    library = home / "lib" / version
    if not (library / "os.py").is_file():
        pytest.skip("this Python is laid out in another way")
    shutil.copytree(
        library,
        own / "lib" / version,
        symlinks=True,
        copy_function=link,
        ignore=lambda _, names: [one for one in names if one in NOT_NEEDED or one.startswith("config-")],
    )
    (own / "bin").mkdir()
    link(os.path.realpath(sys.executable), str(own / "bin" / version))
    for shared in (home / "lib").glob("libpython*.so*"):
        link(str(shared), str(own / "lib" / shared.name))
    theirs = shell.work / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    program = shell.directory / "bin" / "as-nobody"
    program.write_text(
        "#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH=/usr/bin:/bin "
        f'HOME=/nonexistent LANG=C.UTF-8 HF_HUB_OFFLINE=1 TMPDIR="{theirs}" PYTHONDONTWRITEBYTECODE=1 '
        f'PYTHONHOME="{own}" LD_LIBRARY_PATH="{own}/lib" PYTHONPATH="{ROOT}:{packages}" '
        f'XDG_STATE_HOME="{theirs}/state" "{own}/bin/{version}" -m tuiftune "$@"\n'
    )
    program.chmod(0o755)
    return "as-nobody"


@pytest.mark.long
def test_what_is_theirs_works(shell: Shell, nobody: str) -> None:
    shell.write("rows.jsonl", ROWS)
    shell.write("theirs/p.yaml", preset("../rows.jsonl"))
    shutil.copytree(RECORDED, shell.work / "runs" / "demo")
    done = shell(
        " && ".join(
            f"{nobody} {words}"
            for words in (
                "data inspect rows.jsonl > /dev/null",
                "data clean rows.jsonl -o theirs/c.jsonl",
                "preset check theirs/p.yaml",
                "train theirs/p.yaml --dry-run --runs theirs/runs > /dev/null",
                "status demo --runs runs",
                "report demo --runs runs > theirs/report.md",
            )
        )
    )
    assert done.code == 0, done.err
    assert "demo: done" in done.out
    assert (shell.work / "theirs" / "c.jsonl").stat().st_uid == NOBODY


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("data inspect secret.jsonl", "secret.jsonl: no permission to read it"),
        ("data clean rows.jsonl -o out.jsonl", "out.jsonl: "),
        ("preset check secret.yaml", "secret.yaml: no permission to read it"),
        pytest.param("train theirs/p.yaml --dry-run --runs runs", "runs: ", marks=pytest.mark.long),
        pytest.param("stop demo --runs runs", "", marks=pytest.mark.long),
    ],
)
def test_what_is_not_theirs_is_one_line(shell: Shell, nobody: str, command: str, says: str) -> None:
    for name in ("secret.jsonl", "secret.yaml"):
        shell.write(name, "x\n").chmod(0o600)
    shell.write("rows.jsonl", '{"prompt": "a", "completion": "b"}\n' * 20)
    done = shell(f"{nobody} {command}")
    if not says:  # a run that has ended is left as it is
        assert (done.code, done.out) == (0, "")
        return
    assert done.code == 2, done.err
    errors = [line for line in done.err.splitlines() if "permission" in line.lower()]
    assert len(errors) == 1, done.err
    assert says in errors[0]
    assert not (shell.work / "out.jsonl").exists()
