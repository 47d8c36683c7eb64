"""Starting a Python process of tuiftune's own: the same way wherever one is started.

What lies in the working directory or beside the data is never imported: neither by the process (`-P`), nor by
those that it starts in turn (PYTHONSAFEPATH), nor by way of an empty entry of PYTHONPATH, which means the
working directory as well.
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
    """The command line that runs one of our modules."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Ours, with a way to find this very package where it isn't installed but run from its source tree."""
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
    """Start a command line of `command`. It reads nothing and inherits no file but `keep` unless told to.

    With `session` it leads one of its own: neither a hang-up nor Ctrl-C of this terminal reaches it. `extra`
    are environment variables that it gets beyond ours.
    """
    return subprocess.Popen(
        list(words),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=session,
        close_fds=True,
        pass_fds=keep,
        env={**environment(), **(extra or {})},
    )


def leave_out_working_directory() -> None:
    """For a process started by `-m` alone, which puts the working directory first: what is imported from here
    on doesn't come from there.
    """
    if not sys.flags.safe_path and sys.path and _here(sys.path[0] or os.curdir):
        del sys.path[0]


def _here(path: str) -> bool:
    try:
        return os.path.samefile(path, os.curdir)  # raw: OSError is caught
    except OSError:
        return False
