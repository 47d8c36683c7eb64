"""Fetching files of a repository into the Hugging Face cache: resumed in the middle of a file, and verified.

huggingface_hub 2 begins a file again when its download was interrupted. So each large file is written to
`blobs/HASH.incomplete` by its `http_get` from where that ends; the library then finds it in its cache.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from tuiftune import paths
from tuiftune.errors import ExitCode, UserError
from tuiftune.figures import plural, size, sizes
from tuiftune.hub import remote as remotes
from tuiftune.hub.cache import cache_root, storage
from tuiftune.hub.faults import offline, told, transient
from tuiftune.hub.progress import EVERY, Meter, Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tuiftune.hub.remote import Remote, RemoteFile

PARALLEL = 4  # files at once
WAITS = (1.0, 3.0, 9.0)  # seconds before a request is tried again
SPARE = 64 * 2**20  # bytes that stay free
CHUNK = 4 * 2**20  # bytes hashed at once
PIECE = 2**18  # bytes written at once
HTTP_LIMIT = 50 * 10**9  # bytes from which the Hub serves a file through Xet alone


def missing(remote: Remote, files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Return the files that are not in the cache yet."""
    there = {one.name: paths.look(remote.directory / one.name) for one in files}
    return [one for one in files if (seen := there[one.name]) is None or seen.st_size != one.size]


def bytes_left(remote: Remote, files: Sequence[RemoteFile]) -> int:
    """Return the bytes still to be downloaded; what an interrupted download left counts as here."""
    return sum(one.size - min(one.size, _here(remote, one)) for one in missing(remote, files))


def free_bytes() -> int:
    """Return the free bytes of the disk with the cache."""
    place = paths.absolute(cache_root())
    while not paths.exists(place) and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError as fault:
        raise paths.cannot(fault, place, "read") from None


def check_space(remote: Remote, files: Sequence[RemoteFile], also: int = 0) -> None:
    """UserError (exit code 3) unless the cache's disk has space for what is missing, and `also` bytes."""
    need, free = bytes_left(remote, files), free_bytes()
    if need and need + also + SPARE > free:
        rest = f", and {size(also)} for the run" if also else ""
        needed, there = sizes(need, free)
        raise UserError(
            f"not enough disk space: {needed} to download{rest}, {there} free in {cache_root()}",
            place=remote.id,
            remedy="free some space, or set HF_HOME to a directory on another disk",
            exit_code=ExitCode.DOES_NOT_FIT,
        )


def fetch(remote: Remote, files: Sequence[RemoteFile]) -> Path:
    """Download the files that are missing, and return the directory that they are in.

    Progress is told to the listener of `hub.progress`. Each file's size and hash are compared with the Hub's.

    Raises:
        UserError: in one line for whatever the Hub, the network or the disk refuses, or (exit code 4) when it
            was stopped by the listener or Ctrl-C. What is here is kept, and the next call goes on from there.
    """
    lacking = missing(remote, files)
    if lacking:
        if variable := offline():
            raise UserError(
                f"{plural(len(lacking), 'file')} not on this machine, and {variable} forbids downloads",
                place=remote.id,
                remedy=f"unset {variable}",
            )
        check_space(remote, lacking)
        _prepare_library()
        try:
            (storage(remote.kind, remote.id) / "blobs").mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise paths.cannot(fault, cache_root(), "write") from None
        _all(remote, lacking)
    remotes.remember(remote)
    return remote.directory


def _all(remote: Remote, lacking: list[RemoteFile]) -> None:
    """Download in threads, and tell of it from this one."""
    total = sum(one.size for one in lacking)
    meter = Meter(remote.id, total - bytes_left(remote, lacking), total)
    stop = threading.Event()
    with ThreadPoolExecutor(PARALLEL) as pool:
        work = [
            pool.submit(_one, remote, one, meter, stop) for one in sorted(lacking, key=lambda one: one.size)
        ]
        try:
            pending = set(work)
            while pending:
                done, pending = wait(pending, timeout=EVERY)
                meter.tell()
                for one in done:
                    one.result()
            _name(remote, lacking)
        except BaseException as fault:
            stop.set()
            for one in work:
                one.cancel()
            if isinstance(fault, Stopped | KeyboardInterrupt):
                raise _stopped(remote, lacking, total) from None
            if isinstance(fault, UserError):
                raise
            if error := told(fault, remote.kind, remote.id, remote.revision, remote.id):
                raise error from None
            raise
        meter.tell(over=True)


def _stopped(remote: Remote, lacking: list[RemoteFile], total: int) -> UserError:
    return UserError(
        f"the download was stopped, with {size(total - bytes_left(remote, lacking))} of {size(total)} here",
        place=remote.id,
        remedy="run the same command again: it continues from there",
        exit_code=ExitCode.STOPPED,
    )


def _one(remote: Remote, one: RemoteFile, meter: Meter, stop: threading.Event) -> None:
    """Bring one file into the cache's `blobs`, from where an earlier attempt ended."""
    if one.size > HTTP_LIMIT:
        return  # by the library, when it is named
    target, place = _blob(remote, one), _part(remote, one)
    with _locked(place) as part:
        if not paths.gone(target):
            if paths.size(target) == one.size:
                os.unlink(place)
                return
            os.unlink(target)  # cut short by somebody: the library would take it for whole
        _download(remote, one, _Counted(part, meter, stop), part, stop)
        if _digest(part, one) != one.blob:
            part.truncate(0)
            meter.add(-one.size)
            raise UserError(
                f"{one.name} was damaged on its way: its hash is not the Hub's",
                place=remote.id,
                remedy="run the same command again",
                exit_code=ExitCode.FAILED,
            )
        os.replace(place, target)


def _download(
    remote: Remote, one: RemoteFile, counted: _Counted, part: BinaryIO, stop: threading.Event
) -> None:
    """Write the rest of a file. A request that fails for a moment is tried again."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(
        remote.id, one.name, repo_type=remote.kind, revision=remote.commit, endpoint=remotes.endpoint()
    )
    attempt = 0
    while True:
        there = part.seek(0, os.SEEK_END)
        if there > one.size:
            there = 0
            counted.truncate(0)
        try:
            http_get(
                url,
                cast("BinaryIO", counted),
                resume_size=there,
                headers=build_hf_headers(),
                expected_size=one.size,
                displayed_filename=one.name,
            )
        except Exception as fault:
            if part.seek(0, os.SEEK_END) > there:
                attempt = 0
            if not transient(fault) or attempt >= len(WAITS) or stop.is_set():
                if isinstance(fault, OSError) and "Consistency check" in str(fault):
                    raise _wrong_size(remote, one, part) from None
                raise
            stop.wait(WAITS[attempt])
            attempt += 1
        else:
            return


def _wrong_size(remote: Remote, one: RemoteFile, part: BinaryIO) -> UserError:
    came = part.seek(0, os.SEEK_END)
    part.truncate(0)
    return UserError(
        f"{one.name} has {one.size:,} bytes on the Hub, but {came:,} came",
        place=remote.id,
        remedy="run the same command again",
        exit_code=ExitCode.FAILED,
    )


def _name(remote: Remote, lacking: list[RemoteFile]) -> None:
    """Let the library name the files in its cache: the commit's directory, then the revision."""
    from huggingface_hub import hf_hub_download

    def have(name: str, revision: str | None) -> None:
        hf_hub_download(
            remote.id,
            name,
            repo_type=remote.kind,
            revision=revision,
            cache_dir=cache_root(),
            endpoint=remotes.endpoint(),
        )

    for one in lacking:
        have(one.name, remote.commit)
    if remote.revision != remote.commit:
        have(min(lacking, key=lambda one: one.size).name, remote.revision)


class _Counted:
    """A file that counts what is written for the meter, and ends the download when it is to stop."""

    def __init__(self, file: BinaryIO, meter: Meter, stop: threading.Event) -> None:
        self._file, self._meter, self._stop = file, meter, stop

    def write(self, data: bytes) -> int:
        if self._stop.is_set():
            raise Stopped
        rest = memoryview(data)
        while rest:  # a disk that fills up takes a part first
            written = self._file.write(rest)
            self._meter.add(written)
            rest = rest[written:]
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        before = os.fstat(self._file.fileno()).st_size
        after = self._file.truncate(size)
        self._file.seek(after)
        self._meter.add(after - before)
        return after


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The part of a file, open to one process at a time; the others wait until it is whole."""
    while True:
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX)
            except OSError as fault:
                if fault.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):  # a disk without locks
                    raise
            seen = paths.look(path)
            if seen is not None and seen.st_ino == os.fstat(part.fileno()).st_ino:
                yield cast("BinaryIO", part)
                return
        # Renamed by the process that held it: open the new one.


def _blob(remote: Remote, one: RemoteFile) -> Path:
    return storage(remote.kind, remote.id) / "blobs" / one.blob


def _part(remote: Remote, one: RemoteFile) -> Path:
    blob = _blob(remote, one)
    return blob.with_name(f"{blob.name}.incomplete")


def _here(remote: Remote, one: RemoteFile) -> int:
    """Bytes of a file that are in the cache already."""
    blob = _blob(remote, one)
    return paths.size(blob) or paths.size(_part(remote, one))


def _digest(part: BinaryIO, one: RemoteFile) -> str:
    """Return the hash that the Hub names a file by: SHA-256 of a large one, git's of a small one."""
    part.seek(0)
    found = hashlib.sha256() if one.sha256 else hashlib.sha1(b"blob %d\0" % one.size, usedforsecurity=False)
    while chunk := part.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()


def _prepare_library() -> None:
    """Quieten its bars and retries, which are told here, and let it hand over smaller pieces.

    It keeps 10 MB back, which a slow line would take seconds for, and an interruption would lose.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars, logging  # type: ignore[attr-defined]

    constants.DOWNLOAD_CHUNK_SIZE = PIECE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
