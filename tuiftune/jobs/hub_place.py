"""A repository of the Hugging Face Hub as a place: what belongs together is one commit, there whole or not.

The Hub takes 128 commits an hour and 1,000 requests in five minutes (huggingface.co/docs/hub/rate-limits).
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError, with_fix
from tuiftune.hub.faults import told
from tuiftune.hub.remote import endpoint
from tuiftune.jobs.place import PRESET_KEY, PROBE, Place, PlaceError, inside, shown
from tuiftune.printable import printable
from tuiftune.runs.store.directory import DIRECTORY_MODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SCHEME = "hf://"
_NAMED = re.compile(
    r"hf://(?:(?P<kind>model|dataset)s/)?(?P<id>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/]+))?(?:/(?P<path>.*))?"
)
LARGE = 8 * 2**20  # bytes from which a file is uploaded by itself, before the commit
PIECE = 2**18  # bytes written at once
_OTHERS = ("spaces/", "buckets/", "kernels/")
PARTS = ".part"  # where a file arrives before it has its name


class HubPlace(Place):
    """A directory in a repository, which is made private where there is none of its name.

    Its methods raise OSError with the reason in one line, or UserError where trying again can't help.
    """

    small_every = 300.0
    no_access = "check the name; a private repository needs a token that may read it: hf auth login"

    def __init__(self, url: str) -> None:
        from huggingface_hub import HfApi

        named = _NAMED.fullmatch(url.rstrip("/"))
        path = (named["path"] or "") if named is not None else ""
        apart = named is None or named["id"].startswith((*_OTHERS, "models/", "datasets/"))
        if named is None or apart or (path and not inside([path])):
            raise UserError(
                "names no repository of models or data sets",
                place=shown(url),
                remedy="write it like hf://USER/NAME or hf://datasets/USER/NAME",
            )
        _quiet()
        self.url, self.root = url.rstrip("/"), path
        self._repository = {
            "repo_id": named["id"],
            "repo_type": named["kind"] or "model",
            "revision": named["revision"],
        }
        self._api: Any = HfApi(endpoint=endpoint())
        self._made = False

    def path(self, *parts: str) -> str:
        return "/".join(part for part in (self.root, *parts) if part)

    def check(self) -> None:
        self.write(b"", PROBE)
        self.remove(PROBE)

    def entries(self, *parts: str) -> list[str]:
        return sorted(str(one.path).rpartition("/")[2] for one in self._listed(self.path(*parts)))

    def below(self, directory: str) -> list[str]:
        start = self.path(directory)
        found = self._listed(start, recursive=True)
        return inside(str(one.path).removeprefix(f"{start}/") for one in found if hasattr(one, "size"))

    def size(self, *parts: str) -> int | None:
        sizes = self._sizes([self.path(*parts)])
        return next(iter(sizes.values()), None)

    def read(self, *parts: str, most: int | None = None) -> bytes:
        with tempfile.TemporaryDirectory(prefix="tuiftune-") as made:
            self.get(Path(made) / "file", *parts)
            return (Path(made) / "file").read_bytes()[:most]  # raw: ours, written above

    def write(self, content: bytes, *parts: str) -> None:
        from huggingface_hub import CommitOperationAdd

        self._commit([CommitOperationAdd(self.path(*parts), content)], f"Write {parts[-1]}")

    def remove(self, *parts: str) -> None:
        if (deletions := self._deletions([self.path(*parts)])) != []:
            self._commit(deletions, f"Remove {parts[-1]}")

    def put(self, source: Path, *parts: str) -> int:
        return self.send([(source, "/".join(parts))], (), _silent)

    def send(
        self, files: Sequence[tuple[Path, str]], gone: Sequence[str], tell: Callable[[str], None]
    ) -> int:
        """Upload files and remove what is `gone`, in one commit, and compare the sizes of what is there."""
        from huggingface_hub import CommitOperationAdd

        with tempfile.TemporaryDirectory(prefix="tuiftune-") as made:
            additions = []
            for number, (source, name) in enumerate(files):
                os.stat(source)
                still = source if "/" in name else _copied(source, Path(made) / str(number))  # a log grows
                additions.append(CommitOperationAdd(self.path(name), str(still)))
            for one, (_, name) in zip(additions, files, strict=True):
                tell(name)
                if one.upload_info.size < LARGE:
                    continue  # sent with the commit
                with self._told():
                    self._ready()
                    self._api.preupload_lfs_files(**self._repository, additions=[one], free_memory=False)
            said = f"Copy {files[-1][1].rpartition('/')[0] or 'the log'}" if files else "Remove checkpoints"
            inner = {name for name in gone if any(name.startswith(f"{one}/") for one in gone)}
            deletions = self._deletions([self.path(name) for name in gone if name not in inner])
            if not additions and not deletions:
                return 0
            self._commit([*additions, *deletions], said)
            wanted = {one.path_in_repo: int(one.upload_info.size) for one in additions}
        there = self._sizes(list(wanted))
        for path, size in wanted.items():
            if there.get(path) != size:
                raise OSError(f"{path} arrived with {there.get(path)} of {size} bytes")
        return sum(wanted.values())

    def get(self, target: Path, *parts: str) -> None:
        """Download a file. What an interrupted attempt left is continued."""
        target.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        pieces, path = target.parent / PARTS, self.path(*parts)
        with self._told():
            got = self._api.hf_hub_download(**self._repository, filename=path, local_dir=pieces)
        os.replace(got, target)
        shutil.rmtree(pieces)

    def _ready(self) -> None:
        """Make the repository, and see that nobody else can read it."""
        if self._made:
            return
        name = {key: self._repository[key] for key in ("repo_id", "repo_type")}
        self._api.create_repo(**name, private=True, exist_ok=True)
        if not self._api.repo_info(**name).private:
            raise UserError(
                f"{name['repo_id']} is public, and a copy holds sample answers and paths of this machine",
                place=PRESET_KEY,
                remedy="make it private in its settings, or name another repository",
            )
        self._made = True

    def _commit(self, operations: Sequence[Any], message: str) -> None:
        with self._told():
            self._ready()
            self._api.create_commit(**self._repository, operations=operations, commit_message=message)

    def _deletions(self, names: Sequence[str]) -> list[Any]:
        """Operations that remove those that are there."""
        from huggingface_hub import CommitOperationDelete

        found: list[Any] = []
        with self._told(found):
            if names:
                found += self._api.get_paths_info(**self._repository, paths=list(names))
        return [CommitOperationDelete(one.path, is_folder=not hasattr(one, "size")) for one in found]

    def _sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Bytes of the files that are there, by their paths."""
        found: list[Any] = []
        with self._told(found):
            if names:
                found += self._api.get_paths_info(**self._repository, paths=list(names))
        return {str(one.path): int(one.size) for one in found if hasattr(one, "size")}

    def _listed(self, path: str, *, recursive: bool = False) -> list[Any]:
        found: list[Any] = []
        with self._told(found):
            found += self._api.list_repo_tree(**self._repository, path_in_repo=path, recursive=recursive)
        return found

    @contextmanager
    def _told(self, absent: list[Any] | None = None) -> Iterator[None]:
        """Raise the library's faults in one line. Given a list, what isn't there leaves it empty instead."""
        from huggingface_hub import errors

        try:
            yield
        except (errors.RepositoryNotFoundError, errors.EntryNotFoundError) as fault:
            if absent is None:
                raise self._line(fault) from fault
            absent.clear()
        except UserError:
            raise
        except Exception as fault:  # the Hub's faults and the network's share no base
            raise self._line(fault) from fault

    def _line(self, fault: Exception) -> Exception:
        """What the library raised as an error whose words are one line with what to do."""
        from huggingface_hub import get_token

        cause = fault.__cause__ if isinstance(fault, RuntimeError) else None  # of a file's upload
        fault = cause if isinstance(cause, Exception) else fault
        if isinstance(fault, FileNotFoundError) and fault.filename is not None:
            return fault  # a checkpoint that was rotated meanwhile
        status = getattr(getattr(fault, "response", None), "status_code", None)
        why = str(getattr(fault, "server_message", None) or "").strip().split("\n")[0]
        if why and status in (400, 403, 413, 422, 429):
            return PlaceError(f"the Hub answered {status}: {printable(why)[:200]}")
        if status == 401 and not get_token():
            return PlaceError(with_fix("the Hub asks for a token, and none is set", "log in: hf auth login"))
        name, kind = str(self._repository["repo_id"]), str(self._repository["repo_type"])
        said = told(fault, kind, name, self._repository["revision"], name)
        return fault if said is None else PlaceError(with_fix(said.message, said.remedy))


def _copied(source: Path, target: Path) -> Path:
    shutil.copyfile(source, target)
    return target


def _quiet() -> None:
    """Keep the library's bars and warnings off the terminal, and let it hold back fewer bytes."""
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars, logging  # type: ignore[attr-defined]

    constants.DOWNLOAD_CHUNK_SIZE = PIECE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def _silent(file: str) -> None:
    del file
