"""Datasets of the Hub by ID: which of their files hold the rows, from the cache or downloaded.

`hf:OWNER/NAME[@REVISION][:CONFIG[:SPLIT]]`; the configuration and split of a dataset's card decide where it
has one, else directories and names, as Hugging Face reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tuiftune import paths
from tuiftune.data.read.kinds import NOT_ROWS, SUFFIX_KINDS, is_held_out, suffix_of
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.hub.remote import Remote, RemoteFile

PREFIX = "hf:"
TRAIN = "train"
NAMED = 8  # configurations or splits that a message names
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
_NAME = re.compile(
    r"(?P<id>[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96})(@(?P<revision>[\w./-]{1,200}))?"
    r"(:(?P<config>[\w.+-]{0,200})(:(?P<split>[\w.-]{1,200}))?)?"
)
_FILE_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt", ".md", ".gz", ".zst", ".parquet", ".arrow")


@dataclass(frozen=True, slots=True)
class Named:
    """A dataset as the user names it; None: by the Hub's defaults."""

    id: str
    revision: str | None = None
    config: str | None = None
    split: str | None = None


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


def named(text: str) -> Named:
    """Return the parts of a dataset's name. UserError where it isn't one."""
    found = _NAME.fullmatch(text.removeprefix(PREFIX))
    if found is None:
        raise UserError(
            f"{printable(text)[:60]} is not a valid dataset ID",
            place="data",
            remedy="write hf:owner/name, or hf:owner/name@REVISION:CONFIG:SPLIT",
        )
    return Named(found["id"], found["revision"], found["config"] or None, found["split"])


def fetch(text: str, notes: list[str], *, fresh: bool = False) -> list[Path]:
    """Return the local files with the rows of a Hub dataset, downloaded where they are not here yet.

    `fresh`: ask the Hub what the revision holds now, rather than take what was downloaded before. Raises
    UserError in one line when it can't be had.
    """
    from tuiftune.hub import remote as remotes

    try:
        remote, chosen, note = look(text, fresh=fresh)
    except UserError:
        asked = named(text)
        there = remotes.in_cache("dataset", asked.id, asked.revision)
        if there is None:
            raise
        chosen, note = choose(there, asked)
        notes.append(f"{note}, as it is in the cache: the Hub was not asked")
        return [there.directory / one.name for one in chosen]
    notes.append(note)
    return bring(remote, chosen)


def bring(remote: Remote, chosen: Sequence[RemoteFile]) -> list[Path]:
    """Download files of a dataset, and return where they are. UserError (3) says how to take a part of it."""
    from tuiftune.hub import fetch as downloads

    try:
        directory = downloads.fetch(remote, chosen)
    except UserError as fault:
        if fault.exit_code is ExitCode.DOES_NOT_FIT:
            part = f"tuiftune download {PREFIX}{remote.id} --rows 100000 -o rows.jsonl"
            remedy = f"free some space, set HF_HOME to another disk, or stream a part of the rows: {part}"
            raise UserError(
                fault.message, place=fault.place, remedy=remedy, exit_code=fault.exit_code
            ) from None
        raise
    return [directory / one.name for one in chosen]


def look(text: str, *, fresh: bool = False) -> tuple[Remote, tuple[RemoteFile, ...], str]:
    """Return a dataset at its commit, the files to read, and in words which they are."""
    from tuiftune.hub import remote as remotes

    asked = named(text)
    found = None if fresh else remotes.known("dataset", asked.id, asked.revision)
    if found is None:
        found = remotes.look("dataset", asked.id, asked.revision)
        chosen, note = choose(found, asked)
        remotes.check_access(found, chosen[0].name)
        return found, chosen, note
    return found, *choose(found, asked)


def choose(remote: Remote, asked: Named) -> tuple[tuple[RemoteFile, ...], str]:
    """Return the files of a split, and a note that names it. UserError lists what there is."""
    rows = [one for one in remote.files if _may_hold_rows(one.name)]
    if not rows:
        raise UserError(
            "no data file in the dataset", place=remote.id, remedy="JSONL, CSV, Parquet or text is read"
        )
    declared = {str(one.get("config_name", "default")): one for one in remote.configs}
    if declared:
        config = _one_of(declared, asked.config, _usual(declared), "configuration", remote.id, "")
        splits = _splits(declared[config], [one.name for one in rows])
    else:
        config, splits = _by_names([one.name for one in rows], asked, remote.id)
    if not splits:
        raise UserError(
            f"no file of configuration '{config}' is there", place=remote.id, remedy="name another one"
        )
    usual = TRAIN if TRAIN in splits else next(iter(splits)) if len(splits) == 1 else None
    split = _one_of(splits, asked.split, usual, "split", remote.id, config)
    chosen = _of_one_kind([one for one in rows if one.name in splits[split]])
    others = [name for name in splits if name != split]
    aside = f"; not used: {', '.join(others[:NAMED])}" if others else ""
    return tuple(
        chosen
    ), f"configuration {config}, split {split} of {remote.id} at {remote.commit[:8]}{aside}"


def _may_hold_rows(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return not hidden and path.name.lower() not in NOT_ROWS and suffix_of(Path(name)) in SUFFIX_KINDS


def _usual(declared: dict[str, Any]) -> str | None:
    marked = [name for name, one in declared.items() if one.get("default") is True]
    plain = [name for name in declared if name == "default" or len(declared) == 1]
    return next(iter([*marked, *plain]), None)


def _one_of(
    known: dict[str, Any], asked: str | None, usual: str | None, what: str, place: str, config: str
) -> str:
    """Return the one that is asked for, else the usual one. UserError lists what there is."""
    if asked in known or (asked is None and usual is not None):
        return str(asked if asked is not None else usual)
    listed = ", ".join(list(known)[:NAMED]) + (" …" if len(known) > NAMED else "")
    said = f"has no {what} '{asked}'" if asked else f"has {len(known)} {what}s"
    example = f"{config}:{next(iter(known))}" if config else next(iter(known))
    raise UserError(f"{said}: {listed}", place=place, remedy=f"name one, such as {PREFIX}{place}:{example}")


def _splits(config: dict[str, Any], names: list[str]) -> dict[str, set[str]]:
    """Return the files of each split that a card declares: text, a list of it, or of splits with paths."""
    given = config.get("data_files")
    root = str(config.get("data_dir") or "").strip("/")
    if given is None:
        return {TRAIN: {name for name in names if name.startswith(f"{root}/") or not root}}
    entries: dict[str, list[str]] = {}
    if isinstance(given, dict):
        entries = {str(split): _texts(patterns) for split, patterns in given.items()}
    else:
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, dict):
                entries.setdefault(str(one.get("split", TRAIN)), []).extend(_texts(one.get("path")))
            else:
                entries.setdefault(TRAIN, []).append(str(one))
    found = {}
    for split, patterns in entries.items():
        rules = [_pattern(f"{root}/{one}" if root else one) for one in patterns]
        if files := {name for name in names if any(rule.fullmatch(name) for rule in rules)}:
            found[split] = files
    return found


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _pattern(glob: str) -> re.Pattern[str]:
    """Return the rule of a glob as Hugging Face reads it: `*` stays in its directory, `**` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("./"))
    rules = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile("".join(rules.get(part, re.escape(part)) for part in parts))


def _by_names(names: list[str], asked: Named, place: str) -> tuple[str, dict[str, set[str]]]:
    """Return configuration and splits where the card declares none: a directory, and words in names."""
    config = asked.config or "default"
    if asked.config and asked.config != "default":
        inside = [name for name in names if name.startswith(f"{asked.config}/")]
        if not inside:
            folders = sorted({name.split("/")[0] for name in names if "/" in name})
            listed = f": it has {', '.join(folders[:NAMED])}" if folders else ", nor any directory"
            raise UserError(
                f"has no configuration '{asked.config}'{listed}",
                place=place,
                remedy="name a directory of the dataset, or leave it out",
            )
        names = inside
    splits: dict[str, set[str]] = {}
    for name in names:
        splits.setdefault(is_held_out(PurePosixPath(name)) or TRAIN, set()).add(name)
    return config, splits


def _of_one_kind(rows: list[RemoteFile]) -> list[RemoteFile]:
    """Return those of the kind that holds most bytes: the same rows are often there in several formats."""
    kinds: dict[str, list[RemoteFile]] = {}
    for one in rows:
        kinds.setdefault(SUFFIX_KINDS[suffix_of(Path(one.name))], []).append(one)
    written = {kind: group for kind, group in kinds.items() if kind != "text"} or kinds
    return sorted(
        max(written.values(), key=lambda group: sum(one.size for one in group)), key=lambda one: one.name
    )
