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

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.runs.store.directory import DIRECTORY_MODE, FILE_MODE, PLAN, RunDir, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 8 * 2**20  # of the register: a thousand of the longest paths
LIMIT = 1000  # runs remembered; the oldest are forgotten first


def registry_path() -> Path:
    """Where the register is kept."""
    return paths.state_home() / "runs.jsonl"


def register(run: RunDir) -> bool:
    """Remember a run. Returns whether that worked: a read-only home must not keep a run from starting."""
    try:
        with _locked(registry_path()) as register:
            others = [known for known in _read(register) if known != str(run.path)]
            _write(register, [*others, str(run.path)])
    except OSError:
        return False
    return True


def known() -> list[RunDir]:
    """The registered runs that are there, latest first. Those that were removed are forgotten.

    Where the parent directory is gone too, a disk may be unmounted: not listed, not forgotten.
    """
    register = registry_path()
    registered = [Path(known) for known in _read(register)]
    if any(_removed(run) for run in registered):
        # A register that can't be tidied (a read-only home) still tells where the runs are.
        with suppress(OSError), _locked(register):
            _write(register, [known for known in _read(register) if not _removed(Path(known))])
    return [RunDir(run) for run in reversed(registered) if paths.is_file(run / PLAN)]


def removed(name: str) -> Path | None:
    """Where a registered run of this name was that is gone now. Known until `known` forgets it."""
    registered = (Path(known) for known in reversed(_read(registry_path())))
    return next((run for run in registered if run.name == name and _removed(run)), None)


def unreachable() -> list[Path]:
    """The registered runs that can't be looked at: in a directory that is shut, or on a disk that is dead.

    Where nothing is there at all, somebody has removed it or not mounted it, and there is nothing to say.
    """
    registered = [Path(known) / PLAN for known in _read(registry_path())]
    return [plan.parent for plan in registered if not paths.is_file(plan) and not paths.gone(plan)]


def _removed(run: Path) -> bool:
    return paths.is_dir(run.parent) and paths.gone(run / PLAN)


def _read(register: Path) -> list[str]:
    """The registered paths, oldest first; damaged lines are left out."""
    entries = documents.json_lines(register, MOST_BYTES)
    return list(dict.fromkeys(entry for entry in entries if isinstance(entry, str) and _is_path(entry)))


def _is_path(entry: str) -> bool:
    try:
        return os.path.isabs(paths.given(entry))
    except UserError:
        return False


def _write(register: Path, runs: list[str]) -> None:
    write_text(register, "".join(json.dumps(run) + "\n" for run in runs[-LIMIT:]))


@contextmanager
def _locked(path: Path) -> Iterator[Path]:
    path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(descriptor)
