"""A run in one archive, to reproduce it or to send with a bug report: no rows, no weights, no secrets."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from tuiftune import __version__, documents, paths
from tuiftune.errors import UserError
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiftune.runs.store.directory import RunDir

CONTENTS = "contents.json"
LARGEST_LOG = 2 * 2**20  # bytes of engine.log, from its end
MOST_SECONDS_OLD = 315532800.0  # ZIP knows no time before 1980
ROWS = "holds rows of the data"
LEFT_OUT = {
    "samples.jsonl": ROWS,
    "result/samples.jsonl": ROWS,
    "result/chat": ROWS,
    "result/model": "the weights",
    "checkpoints": "the weights; their names and sizes are in contents.json",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a bundle. `size` in bytes, without secrets."""

    name: str
    size: int
    what: str


def bundle(run: RunDir, file: BinaryIO, *, zipped: bool = False) -> list[Part]:
    """Write the archive of a run as .tar.gz, or as ZIP, and return what is in it. UserError where a file of
    the run can't be read.
    """
    archive: _Archive = _Zip(file, run.name) if zipped else _Tar(file, run.name)
    try:
        return _fill(archive, run)
    except BaseException:
        archive.abandon()
        raise


def _fill(archive: _Archive, run: RunDir) -> list[Part]:
    parts = []
    digests = {}
    for name, what, write in _files(run):
        with tempfile.TemporaryFile() as staged:
            write(staged)
            size = staged.tell()
            staged.seek(0)
            digests[name] = hashlib.file_digest(staged, "sha256").hexdigest()
            staged.seek(0)
            archive.add(name, staged, size, paths.modified(run.path / name))
        parts.append(Part(name, size, what))
    text = json.dumps(_contents(run, parts, digests), indent=2, ensure_ascii=False) + "\n"
    with tempfile.TemporaryFile() as staged:
        size = staged.write(without_secrets(text).encode())
        staged.seek(0)
        archive.add(CONTENTS, staged, size, None)
    archive.close()
    return [*parts, Part(CONTENTS, size, "what is inside, versions, checkpoints, what was left out")]


def _files(run: RunDir) -> Iterator[tuple[str, str, Callable[[IO[bytes]], None]]]:
    """(name, what it is, how it is written) of each file that is there."""
    told = {
        "preset.yaml": "the preset as it was given",
        "plan.json": "the resolved preset, with reasons",
        "events.jsonl": "the event log",
        "preflight.json": "what the preflight check measured",
        "downsized.json": "the micro-batch after running out of memory",
        "result/README.md": "the model card",
    }
    for name, what in told.items():
        if paths.is_file(run.path / name):
            yield name, what, lambda file, path=run.path / name: _copy(path, file)  # type: ignore[misc]
    if paths.is_file(run.log_path):
        yield (
            "engine.log",
            "the end of what the training process wrote",
            lambda file: _end(run.log_path, file),
        )
    result = run.result_path / "result.json"
    if paths.is_file(result):
        yield "result/result.json", "scores, without sample answers", lambda file: _scores(result, file)


def _copy(path: Path, file: IO[bytes]) -> None:
    """A text file line by line, without secrets."""
    with documents.opened(path) as source:
        for line in source:
            file.write(without_secrets(line.decode("utf-8", "replace")).encode())


def _end(path: Path, file: IO[bytes]) -> None:
    with documents.opened(path) as source:
        source.seek(max(0, paths.size(path) - LARGEST_LOG))
        file.write(without_secrets(source.read().decode("utf-8", "replace")).encode())


def _scores(path: Path, file: IO[bytes]) -> None:
    """The result without what its rows say."""
    document = documents.read_json(path)
    document.pop("samples", None)
    file.write(without_secrets(json.dumps(document, indent=2, ensure_ascii=False)).encode() + b"\n")


def _contents(run: RunDir, parts: list[Part], digests: dict[str, str]) -> dict[str, Any]:
    from tuiftune.hardware.libraries import read_libraries

    kept = [path for path in paths.entries(run.checkpoints_path) if paths.is_dir(path)]
    return {
        "run": run.name,
        "tuiftune": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {one.name: one.version for one in read_libraries()},
        "reproduce": "tuiftune train preset.yaml, with the data that it names",
        "files": [
            {"name": one.name, "bytes": one.size, "sha256": digests[one.name], "what": one.what}
            for one in parts
        ],
        "left_out": {name: why for name, why in LEFT_OUT.items() if paths.exists(run.path / name)},
        "checkpoints": [
            {"name": path.name, "bytes": sum(paths.size(one) for one in paths.below(path, ()))}
            for path in kept
        ],
        "command": [without_secrets(word) for word in sys.argv[1:]],
    }


class _Archive:
    def add(self, name: str, file: IO[bytes], size: int, changed: float | None) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def abandon(self) -> None:
        """Write nothing more."""


class _Tar(_Archive):
    def __init__(self, file: BinaryIO, top: str) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|gz")  # noqa: SIM115 (`close` does)
        self._top = top

    def add(self, name: str, file: IO[bytes], size: int, changed: float | None) -> None:
        info = tarfile.TarInfo(f"{self._top}/{name}")
        info.size, info.mtime, info.mode = size, int(changed or 0), 0o644
        self._tar.addfile(info, file)

    def close(self) -> None:
        self._tar.close()


class _Zip(_Archive):
    def __init__(self, file: BinaryIO, top: str) -> None:
        self._zip, self._top = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED), top

    def add(self, name: str, file: IO[bytes], size: int, changed: float | None) -> None:
        del size
        import time

        when = time.gmtime(max(changed or 0.0, MOST_SECONDS_OLD))[:6]
        info = zipfile.ZipInfo(f"{self._top}/{name}", when)
        info.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(info, "w") as target:
            while piece := file.read(1 << 20):
                target.write(piece)

    def close(self) -> None:
        self._zip.close()

    def abandon(self) -> None:
        self._zip.fp = None  # else it would write its directory when it is collected


def refuse_to_overwrite(path: Path) -> None:
    """UserError where something is there already."""
    if not paths.gone(path):
        raise UserError("exists already", place=str(path), remedy="name another file with --output")
