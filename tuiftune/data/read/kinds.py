"""What a file's name says: how it is read, whether it is compressed, and whether its rows are held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune.data.read.nested import HELD_OUT_KEYS

if TYPE_CHECKING:
    from pathlib import PurePath

SUFFIX_KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "table",
    ".pq": "table",
    ".arrow": "table",
    ".feather": "table",
    ".ipc": "table",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".markdown": "text",
    ".mdx": "text",
}
PACKED = (".gz", ".zst", ".zstd")
DATA_SUFFIXES = frozenset(SUFFIX_KINDS)
NOT_ROWS = frozenset(
    ("dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json", "readme.md")
)


def is_held_out(path: PurePath) -> str:
    """Return the word in a path by which its rows are held out from training; "" if there is none."""
    words = str(path).lower().replace("/", " ").replace("-", " ").replace("_", " ").replace(".", " ").split()
    return next((word for word in words if word in HELD_OUT_KEYS), "")


def suffix_of(path: Path) -> str:
    """Return the suffix under any compression suffix, lower case."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix
