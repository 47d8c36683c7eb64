"""A directory elsewhere, by a URL of fsspec: on a disk, `s3://`, `gs://` and others."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.jobs import companion
from tuiftune.printable import printable
from tuiftune.runs.store.directory import DIRECTORY_MODE
from tuiftune.secret_forms import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

PRESET_KEY = "run.sync_to"
DIRECTORIES = {"file", "local", "sftp", "ssh", "smb", "ftp"}  # protocols of file systems that have some
PROBE = ".tuiftune-can-write"
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}  # protocols with an extra of ours


class PlaceError(OSError):
    """A fault of a place, in one line that says what to do."""


def inside(names: Iterable[str]) -> list[str]:
    """Return relative paths, sorted, without those that lead out: a key of an object store is any text."""
    return sorted(name for name in names if name and not {"", ".", ".."}.intersection(name.split("/")))


class Place:
    """A directory of fsspec. Its methods raise whatever the file system does.

    `small_every`: seconds between two copies of a log, which is sent whole. `no_access`: what to do where
    nothing is found, for a place that doesn't say whether it may be seen.
    """

    small_every = 60.0
    no_access = ""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.files, self.root = _opened(url)
        self.root = self.root.rstrip("/")

    def check(self) -> None:
        """Write and remove a small file."""
        self.make(self.root)
        self.write(b"", PROBE)
        self.remove(PROBE)

    def path(self, *parts: str) -> str:
        return "/".join((self.root, *parts))

    def make(self, directory: str) -> None:
        """Make a directory where there are some: an object store would make a bucket of a misspelled name."""
        protocols = self.files.protocol
        if DIRECTORIES.intersection([protocols] if isinstance(protocols, str) else protocols):
            self.files.makedirs(directory, exist_ok=True)

    def entries(self, *parts: str) -> list[str]:
        """Names in a directory; [] where there is none."""
        self.files.invalidate_cache()
        try:
            found = self.files.ls(self.path(*parts), detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(one).rstrip("/").rpartition("/")[2] for one in found)

    def below(self, directory: str) -> list[str]:
        """Files in a directory and its own, by their paths in it; [] where there is none."""
        root = self.path(directory)
        try:
            found = self.files.find(root)
        except FileNotFoundError:
            return []
        return inside(str(one).partition(f"{root.lstrip('/')}/")[2] for one in found)

    def read(self, *parts: str, most: int | None = None) -> bytes:
        """Return a small file, or the first bytes of any."""
        return bytes(self.files.cat_file(self.path(*parts), start=None if most is None else 0, end=most))

    def write(self, content: bytes, *parts: str) -> None:
        """Write a small file."""
        self.files.pipe_file(self.path(*parts), content)

    def size(self, *parts: str) -> int | None:
        """Bytes of a file; None where there is none."""
        try:
            size = self.files.info(self.path(*parts))["size"]
        except FileNotFoundError:
            return None
        return None if size is None else int(size)

    def put(self, source: Path, *parts: str) -> int:
        """Upload a file. Returns its bytes; OSError where what arrived has another size."""
        target = self.path(*parts)
        self.make(target.rpartition("/")[0])
        size = os.stat(source).st_size
        self.files.put_file(str(source), target)
        self.files.invalidate_cache()
        there = self.size(*parts)
        if there is None or there < size:  # a log may have grown meanwhile
            raise OSError(f"{parts[-1]} arrived with {there} of {size} bytes")
        return size

    def send(
        self, files: Sequence[tuple[Path, str]], gone: Sequence[str], tell: Callable[[str], None]
    ) -> int:
        """Upload files in their order, then remove what is `gone`. Returns the bytes sent.

        Args:
            files: each with its path there.
            gone: files and directories there.
            tell: called with each path before it is sent.
        """
        sent = 0
        for source, name in files:
            tell(name)
            sent += self.put(source, *name.split("/"))
        for name in gone:
            self.remove(*name.split("/"))
        return sent

    def get(self, target: Path, *parts: str) -> None:
        target.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.files.get_file(self.path(*parts), str(target))

    def remove(self, *parts: str) -> None:
        with suppress(FileNotFoundError):
            self.files.rm(self.path(*parts), recursive=True)


def shown(url: str) -> str:
    """Return a URL as it may be printed."""
    return without_secrets(printable(url))


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it. UserError where its package is missing, or it is none."""
    protocol = urlsplit(url).scheme if "://" in url else "file"
    fsspec = import_module("fsspec")
    try:
        if protocol == "file":
            url = str(paths.absolute(url.removeprefix("file://")))
        files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as fault:
        extra = EXTRAS.get(protocol)
        raise UserError(
            f"the package for {protocol}:// is not installed",
            place=shown(url),
            remedy=f"install it: pip install 'tuiftune[{extra}]'" if extra else companion.line_of(fault),
        ) from fault
    except ValueError as fault:
        raise UserError(
            f"{printable(protocol)}:// is not supported",
            place=shown(url),
            remedy="use a directory, s3://, gs:// or hf://",
        ) from fault
    return files, str(root)
