"""Datasets on the hub, by id: from the local cache, else downloaded (files of rows only)."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from tuiftune import paths
from tuiftune.errors import UserError
from tuiftune.printable import printable

PREFIX = "hf:"
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
_FILE_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".md", ".gz", ".zst", ".parquet", ".arrow")
_WANTED = [
    f"**{suffix}{packed}"
    for suffix in (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".arrow", ".txt")
    for packed in ("", ".gz", ".zst")
]


def looks_like_id(text: str) -> bool:
    """`hf:owner/name`, or owner/name where no such path or directory exists here and no file suffix is
    meant.
    """
    if text.startswith(PREFIX):
        return True
    path = Path(text)
    named = path.suffix.lower() in _FILE_SUFFIXES
    return (
        bool(_ID.fullmatch(text)) and not paths.exists(path) and not paths.exists(path.parent) and not named
    )


def fetch(text: str) -> Path:
    """The local directory of a hub dataset. Raises UserError in one line when it can't be had."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    name = text.removeprefix(PREFIX)
    if not _ID.fullmatch(name):
        raise UserError(
            f"{printable(name)[:60]} is not a valid dataset ID", place="data", remedy="write hf:owner/name"
        )
    with suppress(LocalEntryNotFoundError, OSError, ValueError):  # not in the cache yet
        return Path(
            snapshot_download(name, repo_type="dataset", allow_patterns=_WANTED, local_files_only=True)
        )
    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=_WANTED))
    except Exception as fault:  # the hub's faults, the network's and the disk's share no base
        why = (
            printable(str(fault).strip().splitlines()[0])[:120]
            if str(fault).strip()
            else type(fault).__name__
        )
        raise UserError(
            f"is neither a file nor available from the Hugging Face Hub ({why})",
            place=name,
            remedy="check the path, the ID, the network and your access",
        ) from None
