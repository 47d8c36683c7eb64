"""Starting a Python process of tuiftune, the same way everywhere.

Files in the working directory or next to the data are never imported: not by the process (`-P`), not by
processes that it starts (PYTHONSAFEPATH), and not through an empty entry of PYTHONPATH, which also means the
working directory.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
from typing import IO, TYPE_CHECKING

import tuiftune

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Stream = int | IO[bytes] | None


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of tuiftune."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the environment, extended to find this package if it is run from its source tree."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and not _here(path)]
    home = os.path.dirname(os.path.dirname(os.path.realpath(tuiftune.__file__)))
    if home not in (*site.getsitepackages(), site.getusersitepackages()):
        paths.insert(0, home)
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    if not paths:
        del environment["PYTHONPATH"]
    return environment


def start(
    words: Sequence[str],
    *,
    stdout: Stream = subprocess.DEVNULL,
    stderr: Stream = subprocess.DEVNULL,
    stdin: Stream = subprocess.DEVNULL,
    session: bool = False,
    keep: Sequence[int] = (),
    extra: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command line of `command`. By default it has no stdin and inherits no file except `keep`.

    With `session` it leads its own session, so neither a hang-up nor Ctrl-C of this terminal reaches it.
    `extra` are additional environment variables.
    """
    return subprocess.Popen(
        list(words),
        cwd=_place(),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=session,
        close_fds=True,
        pass_fds=keep,
        env={**environment(), **(extra or {})},
    )


def _place() -> str | None:
    """None, the working directory; if that was deleted the root, since libraries ask for it when loaded."""
    try:
        os.getcwd()  # raw: whether it is there is asked
    except OSError:
        return os.sep
    return None


def leave_out_working_directory() -> None:
    """Remove the working directory from the import path, where `python -m` puts it first."""
    if not sys.flags.safe_path and sys.path and _here(sys.path[0] or os.curdir):
        del sys.path[0]


def _here(path: str) -> bool:
    try:
        return os.path.samefile(path, os.curdir)  # raw: OSError is caught
    except OSError:
        return False
