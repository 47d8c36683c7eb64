"""From what the user wrote (a file, a list, a glob, a directory, builtin:tickets) to the files to read."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tuiftune import paths, spool
from tuiftune.data.read.bytestream import ARROW_FILE, ARROW_STREAM, PARQUET, encoding_of, head_of
from tuiftune.data.read.hub import fetch, looks_like_id
from tuiftune.data.read.json_rows import is_json_lines
from tuiftune.data.read.kinds import DATA_SUFFIXES, NOT_ROWS, SUFFIX_KINDS, is_held_out, suffix_of
from tuiftune.errors import UserError

NOT_DATA = (  # what stands where a download was meant to
    ("version https://git-lfs", "a Git LFS pointer", "git lfs pull"),
    ("<!doctype html", "a web page", "download the file itself, not the page that describes it"),
    ("<html", "a web page", "download the file itself, not the page that describes it"),
)
_PART = re.compile(r"(.+)-(\d{1,9})-of-(\d{1,9})(\..+)?")
MOST_RECURSIONS = 2  # `**` in a pattern: each multiplies the time
BUILTIN = "builtin:tickets"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read; `kind` is jsonl, json, csv, table or text."""

    path: Path
    kind: str


def expand(spec: str | list[str]) -> tuple[list[SourceFile], list[str]]:
    """The files meant, in a stable order, and what was left aside and why. Raises UserError when there are
    none.
    """
    notes: list[str] = []
    found: list[Path] = []
    for part in [spec] if isinstance(spec, str) else spec:
        found.extend(_expand_one(part, notes))
    if not found:
        raise UserError("no data file given", remedy="give a file, a glob or a directory")
    unique = list(dict.fromkeys(path for path in found))
    return [SourceFile(path, kind_of(path)) for path in unique], notes


def shown(path: Path) -> str:
    """The path as the user would write it: what the package carries by its built-in name."""
    from tuiftune import assets

    return BUILTIN if path == Path(assets.TRAIN) else str(path)


def _expand_one(part: str, notes: list[str]) -> list[Path]:
    if part == BUILTIN:
        from tuiftune import assets

        return [Path(assets.TRAIN)]
    if part.startswith("builtin:"):
        raise UserError(f"built-in dataset {part} not found", remedy=f"use {BUILTIN}")
    if looks_like_id(part):
        return fetch(part, notes)
    if not part.strip():
        raise UserError("no data file given", place='""', remedy="give a file, a glob or a directory")
    path = paths.given(part)
    if spool.is_stream(path):
        spool.regular(path)
        return [path]
    if paths.is_dir(path):
        return _in_directory(path, notes)
    if paths.exists(path) or not glob.has_magic(part):
        if not paths.exists(path):
            if os.path.islink(path) and paths.gone(paths.followed(path)):
                raise UserError("a broken link", place=part, remedy="fix the link, or name its target")
            near = _nearest(path)
            paths.require(path, remedy=f"did you mean {near}?" if near else "check the path")
        if not paths.is_file(path):
            raise UserError("neither a file nor a directory", place=part, remedy="name a regular file")
        return [path]
    matched = _matching(str(path))
    if not matched:
        raise UserError("no file matches", place=part, remedy="check the pattern, or quote it for the shell")
    return matched


def _matching(pattern: str) -> list[Path]:
    """The files that a glob means, by name. UserError where that would take for ever."""
    pattern = re.sub(r"(?:\*\*/+)+", "**/", pattern)
    if pattern.count("**") > MOST_RECURSIONS:
        raise UserError("too many ** in the pattern", place=pattern[:60], remedy="use ** only once")
    found = []
    for number, name in enumerate(glob.iglob(pattern, recursive=True)):
        if number >= paths.MOST_BELOW:
            raise UserError(
                f"matches more than {paths.MOST_BELOW:,} files",
                place=pattern[:60],
                remedy="name a part of them",
            )
        if paths.is_file(name):
            found.append(Path(name))
    return sorted(found)


def _in_directory(folder: Path, notes: list[str]) -> list[Path]:
    inside = paths.below(folder, (".", "_"))
    data = [path for path in inside if suffix_of(path) in DATA_SUFFIXES and not _left_over(path)]
    own = {path for path in data if _account_of_cleaning(path)}
    if own and len(own) < len(data):
        listed = ", ".join(str(path.relative_to(folder)) for path in sorted(own))[:120]
        notes.append(f"not rows but what `data clean` wrote of its changes: {listed}")
        data = [path for path in data if path not in own]
    rows = [
        path for path in data if SUFFIX_KINDS[suffix_of(path)] != "text" and path.name.lower() not in NOT_ROWS
    ]
    if not rows:
        rows = [path for path in data if SUFFIX_KINDS[suffix_of(path)] == "text"]
    if not rows:
        raise UserError(
            "no data file in the directory", place=str(folder), remedy="JSONL, CSV, Parquet, text …"
        )
    kinds: dict[str, list[Path]] = {}
    for path in rows:
        kinds.setdefault(SUFFIX_KINDS[suffix_of(path)], []).append(path)
    chosen = max(kinds.values(), key=lambda group: sum(paths.size(path) for path in group))
    if len(kinds) > 1:
        others = len(rows) - len(chosen)
        notes.append(f"{others} files of other types in {folder} were ignored")
    train = [path for path in chosen if not is_held_out(path.relative_to(folder))]
    if train and len(train) < len(chosen):
        aside = ", ".join(str(path.relative_to(folder)) for path in chosen if path not in train)[:120]
        notes.append(f"not used for training because of their names: {aside}")
        chosen = train
    _require_all_parts(chosen)
    return chosen


def _require_all_parts(files: list[Path]) -> None:
    """UserError where one numbered part of a table (train-00000-of-00003.parquet) is there, another not."""
    parts: dict[tuple[Path, str, str, str], set[int]] = {}
    for path in files:
        if found := _PART.fullmatch(path.name):
            stem, part, total, ending = found.groups("")
            parts.setdefault((path.parent, stem, total, ending), set()).add(int(part))
    for (parent, stem, total, ending), there in parts.items():
        first = 0 if 0 in there or int(total) not in there else 1  # some count from 1
        lacking = int(total) - len(there)
        if lacking > 0:
            number = next(at for at in range(first, first + len(there) + 1) if at not in there)
            name = f"{stem}-{number:0{len(total)}}-of-{total}{ending}"
            more = f" and {lacking - 1:,} more parts are" if lacking > 1 else " is"
            raise UserError(
                f"{name}{more} missing",
                place=str(parent),
                remedy="download it again, or name the files to train on one by one",
            )


def _left_over(path: Path) -> bool:
    """Files that `datasets` caches in addition to the rows."""
    return path.name.startswith(("cache-", "tmp")) and paths.is_file(path.parent / "state.json")


def _account_of_cleaning(path: Path) -> bool:
    """The list of changes and the manifest that `data clean` writes next to its rows."""
    for ending in (".changes.jsonl", ".manifest.json"):
        stem = path.name.removesuffix(ending)
        if stem != path.name:
            return paths.is_file(path.with_name(f"{stem}.manifest.json"))
    return False


def kind_of(path: Path) -> str:
    """What reads this file, from its first bytes and then its name. Raises UserError when empty or binary."""
    head = head_of(path)
    if not head:
        raise UserError("the file is empty", place=str(path), remedy="name a file with rows")
    if head.startswith((PARQUET, ARROW_FILE, ARROW_STREAM)):
        return "table"
    encoding = encoding_of(head, path)
    beginning = head.decode(encoding, "replace").lstrip("\ufeff")
    if not beginning.strip() and len(head) < 8192:
        raise UserError("the file is empty", place=str(path), remedy="name a file with rows")
    for opening, what, remedy in NOT_DATA:
        if beginning[:40].lstrip().lower().startswith(opening):
            raise UserError(f"this is {what}, not the data", place=f"{path}:1", remedy=remedy)
    suffix = suffix_of(path)
    kind = SUFFIX_KINDS.get(suffix)
    if kind == "table":
        raise UserError(f"named {suffix}, but has another format", place=str(path), remedy="export it again")
    if kind in ("csv", "text"):
        return kind
    opening = beginning.lstrip()[:1]
    if kind == "jsonl" and opening not in ("[", "{", '"'):
        return "jsonl"
    if opening in ("[", "{"):
        return "jsonl" if is_json_lines(beginning, suffix) else "json"
    if kind == "json":
        return "jsonl" if opening == '"' else "json"
    if kind:
        return kind
    first = beginning.splitlines()[0]
    return "csv" if any(first.count(mark) for mark in "\t,;|") and len(first) < 400 else "text"


def _nearest(path: Path) -> str | None:
    import difflib

    names = [other.name for other in paths.entries(path.parent)]
    names = [name for name in names if name != path.name]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.7)
    return str(path.parent / close[0]) if close else None
