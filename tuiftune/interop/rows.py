"""A foreign tool's datasets as `data.train`, with its columns and its format."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiftune.interop.mapping import shown

if TYPE_CHECKING:
    from tuiftune.interop.mapping import Transfer


@dataclass(frozen=True, slots=True)
class Source:
    """One dataset: where it lies, how its rows are laid out, and what of its settings has no place here."""

    key: str
    path: Any
    format: str = "auto"
    columns: dict[str, str] = field(default_factory=dict)
    said: str | None = None
    left_out: dict[str, Any] = field(default_factory=dict)


_HUB = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
_PART = re.compile(r"[\w.+-]+")  # of a dataset: a configuration, a split as a whole
_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".gz", ".zst", ".parquet", ".arrow")


def hub(path: str, config: Any = None, split: Any = None, revision: Any = None) -> tuple[str, list[str]]:
    """A dataset of the Hub by the name that `data.train` takes, and what has no place in it by its names at
    `load_dataset`: a share of a split (`train[:10%]`), or anything of a file's.
    """
    given = {"name": config, "split": split, "revision": revision}
    parts = {key: str(value) if value else "" for key, value in given.items()}
    if parts["split"] == "train":
        parts["split"] = ""
    if not _HUB.fullmatch(path) or path.endswith(_SUFFIXES):
        return path, [key for key, value in parts.items() if value]
    left = [key for key, value in parts.items() if value and not _PART.fullmatch(value)]
    name, share, commit = ("" if key in left else value for key, value in parts.items())
    place = f":{name}:{share}" if share else f":{name}" * bool(name)
    whole = f"{path}{f'@{commit}' if commit else ''}{place}"
    return (whole if whole == path else f"hf:{whole}"), left


def put(transfer: Transfer, sources: list[Source], to: str) -> None:
    """Set `data.train`, and the format and columns where all sources agree on them."""
    named: list[str] = []
    for source in sources:
        found = source.path if isinstance(source.path, list) else [source.path]
        for path in found:
            if isinstance(path, str) and path:
                named.append(path)
            elif path:
                transfer.leave(source.key, path, f"{shown(path)} is neither a file nor a dataset's name")
        _told(transfer, source)
    if not named:
        return
    value: str | list[str] = named[0] if len(named) == 1 else named
    transfer.carry(sources[0].key, value, to, value)
    formats = {source.format for source in sources}
    columns = [source.columns for source in sources if source.columns]
    if len(formats) > 1:
        layouts = ", ".join(sorted(formats - {"auto"}))
        transfer.leave(sources[0].key, layouts, "not the format of every source: it is detected")
    if len(formats) == 1 and (form := formats.pop()) != "auto":
        transfer.set("data.format", form)
    if columns and all(one == columns[0] for one in columns) and len(columns) == len(sources):
        transfer.set("data.columns", columns[0])
    elif columns:
        transfer.leave(sources[0].key, columns[0], "the sources name different columns: they are detected")


def evaluated(transfer: Transfer, sources: list[Source]) -> None:
    """Set `data.eval`: the first file of the first source."""
    first = sources[0].path if sources else None
    file = first[0] if isinstance(first, list) and first else first
    if not isinstance(file, str) or not file:
        if first:
            transfer.leave(sources[0].key, first, f"{shown(first)} is neither a file nor a dataset's name")
        return
    _told(transfer, sources[0])
    several = len(sources) > 1 or (isinstance(first, list) and len(first) > 1)
    transfer.carry(sources[0].key, file, "data.eval", file, "the first of them" if several else "")


def _told(transfer: Transfer, source: Source) -> None:
    """Tell what of a source has no place here."""
    if source.said:
        transfer.leave(source.key, shown(source.path), source.said)
    for name, one in source.left_out.items():
        transfer.leave(f"{source.key}.{name}", one, f"has no counterpart here, for {shown(source.path)}")


def loaded(transfer: Transfer) -> list[Source]:
    """The sources that a script loads."""
    found = transfer.take("dataset")
    return [one for one in found if isinstance(one, Source)] if isinstance(found, list) else []


def paths(transfer: Transfer) -> list[str]:
    """The files and names of `data.train`, as far as it is set."""
    found = transfer.get("data.train")
    return [found] if isinstance(found, str) else list(found or ())
