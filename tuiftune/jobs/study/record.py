"""The study on disk: `study.json` in its directory, where its runs are as well; one process at a time."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuiftune import documents, locked, paths
from tuiftune.errors import UserError
from tuiftune.preset.file import dump
from tuiftune.preset.places import absolute
from tuiftune.printable import printable
from tuiftune.runs.store.directory import DIRECTORY_MODE, FILE_MODE, check_name, check_root, write_text
from tuiftune.runs.store.find import STUDY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tuiftune.jobs.study.variant import Variant
    from tuiftune.preset.schema import Preset

SCHEMA = "tuiftune/study@1"
MOST_BYTES = 16 * 2**20
MOST_NAMES = 1000


def identity(
    kind: str, preset: Preset, variants: Sequence[Variant], seeds: Sequence[int], steps: int | None
) -> str:
    """Return a digest of what is measured: another one makes another study.

    Data files count by size and time.
    """
    data = preset.data
    named = [data.train] if isinstance(data.train, str) else list(data.train)
    named += [one for one in (data.eval, *(source.path for source in data.mix)) if isinstance(one, str)]
    files = [(one, seen.st_size, seen.st_mtime_ns) for one in named if (seen := paths.look(paths.given(one)))]
    told = [
        kind,
        dump(absolute(preset)),
        [[one.key, one.values] for one in variants],
        list(seeds),
        steps,
        files,
    ]
    return hashlib.sha256(json.dumps(told, default=str).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def directory_for(root: Path, name: str, digest: str) -> Path:
    """Return the directory of the study with this digest: that of an earlier process, else a free one."""
    check_root(root)
    root = paths.absolute(root)
    for number in range(1, MOST_NAMES):
        suffix = "" if number == 1 else f"-{number}"
        path = root / f"{name[: 64 - len(suffix)]}{suffix}"
        check_name(path.name)
        if not os.path.lexists(path) or digest_of(path) == digest:
            return path
    raise UserError(f"there are {MOST_NAMES} studies of this name", place=printable(str(root)))


def digest_of(directory: Path) -> str:
    """Return the digest of the study in a directory, "" if there is none."""
    try:
        return str(read(directory).get("digest", ""))
    except UserError:
        return ""


def read(directory: Path) -> dict[str, Any]:
    """Return a study's document. UserError if there is none, or it is damaged."""
    return documents.read_json(directory / STUDY, MOST_BYTES)


def write(directory: Path, document: dict[str, Any]) -> None:
    """Write a study's document. UserError where it cannot be."""
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        write_text(directory / STUDY, json.dumps({"schema": SCHEMA, **document}, indent=1) + "\n")
    except OSError as fault:
        raise _unwritable(directory, fault) from None


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold the study. UserError while another process does."""
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as fault:
        raise _unwritable(directory, fault) from None
    busy = UserError(
        "another process is at work on this study",
        place=printable(str(directory)),
        remedy="wait for it, or stop it with Ctrl-C",
    )
    with locked.alone(descriptor, busy):
        yield


def _unwritable(directory: Path, fault: OSError) -> UserError:
    return UserError(
        f"cannot be written ({fault.strerror})",
        place=printable(str(directory)),
        remedy="use a writable directory: --runs DIR",
    )
