"""What a repository of the Hub holds at a commit: asked once, remembered in the cache by commit."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError
from tuiftune.hub.cache import COMMIT, commit_of, snapshot, storage
from tuiftune.hub.faults import gated, told

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """`blob` is its name in the cache: the SHA-256 of a large file, the git hash of a small one."""

    name: str
    size: int
    blob: str
    sha256: bool


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository at one commit. `kind` is model or dataset; `gated`: its owner asks for consent first.

    `configs` are a dataset's configurations as its card declares them, by the rules of Hugging Face.
    """

    kind: str
    id: str
    revision: str | None
    commit: str
    licence: str | None
    gated: bool
    files: tuple[RemoteFile, ...]
    configs: tuple[dict[str, Any], ...] = ()

    def named(self, names: Collection[str]) -> tuple[RemoteFile, ...]:
        return tuple(one for one in self.files if one.name in names)

    @property
    def directory(self) -> Path:
        """Where its files are in the cache."""
        return snapshot(self.kind, self.id, self.commit)


def endpoint() -> str | None:
    """Return the Hub's address if another than the public one is set, read at each use."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def look(
    kind: str, name: str, revision: str | None = None, place: str = "", *, timeout: float = TIMEOUT_S
) -> Remote:
    """Ask the Hub what a repository holds. UserError in one line when it can't be had."""
    from huggingface_hub import HfApi

    try:
        info: Any = HfApi(endpoint=endpoint()).repo_info(
            name, repo_type=kind, revision=revision, files_metadata=True, timeout=timeout
        )
    except Exception as fault:  # the Hub's faults and the network's share no base
        if error := told(fault, kind, name, revision, place or name):
            raise error from None
        raise
    files = []
    for one in info.siblings or ():
        large = getattr(one, "lfs", None)
        blob = large.sha256 if large else one.blob_id
        size = large.size if large else one.size
        if blob and size is not None:
            files.append(RemoteFile(one.rfilename, int(size), str(blob), bool(large)))
    if not COMMIT.fullmatch(str(info.sha)):
        raise UserError("the Hub did not say which commit it is", place=name, remedy="try again later")
    card = info.card_data or {}
    licence = card.get("license")
    configs = card.get("configs") if kind == "dataset" else None
    return Remote(
        kind,
        name,
        revision,
        info.sha,
        licence if isinstance(licence, str) else None,
        bool(info.gated),
        tuple(files),
        tuple(one for one in configs if isinstance(one, dict)) if isinstance(configs, list) else (),
    )


def check_access(remote: Remote, name: str, place: str = "") -> None:
    """UserError unless this account may download a file of a gated repository."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    if not remote.gated:
        return
    url = hf_hub_url(remote.id, name, repo_type=remote.kind, revision=remote.commit, endpoint=endpoint())
    try:
        get_hf_file_metadata(url, timeout=TIMEOUT_S, endpoint=endpoint())
    except Exception as fault:
        status = getattr(getattr(fault, "response", None), "status_code", None)
        if status in (401, 403):
            raise gated(remote.kind, remote.id, place or remote.id) from None
        if error := told(fault, remote.kind, remote.id, remote.revision, place or remote.id):
            raise error from None
        raise


def remember(remote: Remote) -> None:
    """Keep the list of files in the cache, so that the next look needs no network."""
    path = _record(remote.kind, remote.id, remote.commit)
    text = json.dumps({**asdict(remote), "revision": None})
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)
    except OSError as fault:
        raise paths.cannot(fault, path, "write") from None


def known(kind: str, name: str, revision: str | None = None) -> Remote | None:
    """Return what was remembered of a revision that was fetched before; None if it never was."""
    commit = commit_of(kind, name, revision)
    if commit is None:
        return None
    try:
        found = documents.read_json(_record(kind, name, commit))
        files = tuple(RemoteFile(**one) for one in found.pop("files"))
        configs = tuple(found.pop("configs", ()))
        return Remote(**{**found, "files": files, "configs": configs, "revision": revision})
    except (UserError, TypeError, KeyError):
        return None


def in_cache(kind: str, name: str, revision: str | None = None) -> Remote | None:
    """Return a revision as another program left it in the cache; None if nothing of it is there.

    What it lacks of the repository is not known without the Hub.
    """
    commit = commit_of(kind, name, revision)
    place = None if commit is None else snapshot(kind, name, commit)
    if commit is None or place is None or not paths.is_dir(place):
        return None
    files = [
        RemoteFile(one.relative_to(place).as_posix(), paths.size(one), "", False)
        for one in paths.below(place)
    ]
    return Remote(kind, name, revision, commit, None, False, tuple(files)) if files else None


def _record(kind: str, name: str, commit: str) -> Path:
    return storage(kind, name) / f"tuiftune-{commit}.json"
