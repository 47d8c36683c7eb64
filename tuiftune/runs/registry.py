"""Which runs there are on this machine, so that they are found from any directory.

A file of one path a line in `$XDG_STATE_HOME/tuiftune` (else `~/.local/state/tuiftune`), changed under
a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune.runs.directory import DIRECTORY_MODE, FILE_MODE, RunDir, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 1000  # runs remembered; the oldest are forgotten first


def registry_path() -> Path:
    """Where the register is kept."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(state) / "tuiftune" / "runs.jsonl"


def register(run: RunDir) -> bool:
    """Remember a run. Returns whether that worked: a read-only home must not keep a run from starting."""
    try:
        with _locked(registry_path()) as path:
            paths = [known for known in _read(path) if known != str(run.path)]
            _write(path, [*paths, str(run.path)])
    except OSError:
        return False
    return True


def known() -> list[RunDir]:
    """The registered runs that are there, latest first. Those that were removed are forgotten.

    Where the parent directory is gone too, a disk may be unmounted: not listed, not forgotten.
    """
    path = registry_path()
    paths = [Path(known) for known in _read(path)]
    if any(_removed(run) for run in paths):
        # A register that can't be tidied (a read-only home) still tells where the runs are.
        with suppress(OSError), _locked(path):
            _write(path, [known for known in _read(path) if not _removed(Path(known))])
    return [RunDir(run) for run in reversed(paths) if (run / "plan.json").is_file()]


def _removed(run: Path) -> bool:
    return run.parent.is_dir() and not (run / "plan.json").is_file()


def _read(path: Path) -> list[str]:
    """The registered paths, oldest first; damaged lines are left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    paths = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, str) and os.path.isabs(entry) and "\0" not in entry:
            paths.append(entry)
    return list(dict.fromkeys(paths))


def _write(path: Path, paths: list[str]) -> None:
    write_text(path, "".join(json.dumps(entry) + "\n" for entry in paths[-LIMIT:]))


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(descriptor)
