"""The preset file: read with the line of every fault, overridden by key, written whole or not at all."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tuiftune import documents, paths, spool
from tuiftune.errors import UserError
from tuiftune.outputs import Output
from tuiftune.preset import method, places, shipped
from tuiftune.preset.explain import Fault, faults, raise_first, unknown_key
from tuiftune.preset.migrate import migrate
from tuiftune.preset.parse import Document, parse
from tuiftune.preset.schema import Preset
from tuiftune.preset.words import keys, sections
from tuiftune.preset.write import dump
from tuiftune.printable import printable
from tuiftune.secret_forms import holds_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = ["check", "dump", "dump_for", "load", "load_each", "loads", "override", "placed", "save"]

_MOST_BYTES = 1_000_000
# Names of files of rows, which are no presets; a .json file is one or the other.
_ROWS = re.compile(
    r"\.(jsonl|ndjson|csv|tsv|parquet|pq|arrow|feather|ipc|xlsx)(\.(gz|zst|zstd|bz2|xz))?$", re.IGNORECASE
)
_HEAD = 4096


def holds_rows(path: Path) -> bool:
    """Whether a file holds rows to train on rather than a preset: by its name; a .json file by its start."""
    if _ROWS.search(path.name):
        return True
    if path.suffix.lower() != ".json" or not paths.is_file(path):
        return False
    head = documents.read_head(path, _HEAD).lstrip("\ufeff \t\r\n")
    named = re.match(r'\{\s*"([^"]*)"', head)
    return head.startswith("[") or (named is not None and named[1] not in {*sections(), "version"})


def load(path: Path, *, say: Callable[[str], None] | None = None) -> Preset:
    """Read and validate a preset file; `say` is told warnings. UserError names file, line and remedy.

    Relative paths in it start at its own directory; in the preset that is returned, at the working directory.
    """
    text, place = _read(path), printable(str(path))
    if (several := len(_documents(text))) > 1:
        raise UserError(
            f"the file holds {several} presets, a chain, and one is wanted here",
            place=place,
            remedy="write each into a file of its own; `tuiftune train` and `preset check` take a chain",
        )
    return placed(loads(text, place), path, say=say)


def load_each(path: Path, *, say: Callable[[str], None] | None = None) -> list[Preset]:
    """Read a file of one preset or of several, in documents that `---` parts; see `load`."""
    place = printable(str(path))
    return [placed(loads(text, place), path, say=say) for text in _documents(_read(path))]


def _documents(text: str) -> list[str]:
    """The documents of a file. Lines before one are blank, so that a fault names the line of the file."""
    lines = text.splitlines()
    starts = [0, *(number for number, line in enumerate(lines) if line.rstrip() == "---"), len(lines)]
    parts = [(start, lines[start:end]) for start, end in pairwise(starts)]
    filled = [(start, part) for start, part in parts if any(_says(line) for line in part)]
    if len(filled) < 2:
        return [text]
    return ["\n" * start + "\n".join(part) + "\n" for start, part in filled]


def _says(line: str) -> bool:
    """Whether a line holds more than a comment or the end of a document."""
    return line.partition("#")[0].strip() not in ("", "---")


def placed(preset: Preset, path: Path, *, say: Callable[[str], None] | None = None) -> Preset:
    """Return the preset with its paths as they are meant in that file; a built-in preset's are the user's."""
    if spool.is_stream(path):
        return preset  # it has no directory of its own: the working directory stands for it
    if shipped.comes_along(path):
        return preset.from_others(dict.fromkeys(preset.given(), f"preset {path.stem}"))
    preset, warnings = places.from_file(preset, path)
    for warning in warnings if say else ():
        say(f"warning: {printable(str(path))}: {warning}")  # type: ignore[misc]
    return preset


def loads(text: str, place: str) -> Preset:
    """Validate preset YAML; `place` is what faults are reported under, such as the file's name."""
    document = _document(text, place)
    try:
        return Preset.model_validate(document.values)
    except ValidationError as error:
        raise_first(faults(error, place, document.lines))
        raise  # never reached: a ValidationError has at least one fault


def check(path: Path) -> list[Fault]:
    """Every fault of readable presets at once, in the order of the lines; empty when they are sound."""
    return [fault for text in _documents(_read(path)) for fault in _check(text, printable(str(path)))]


def _check(text: str, place: str) -> list[Fault]:
    document = _document(text, place)
    try:
        Preset.model_validate(document.values)
    except ValidationError as error:
        return faults(error, place, document.lines)
    return []


def override(preset: Preset, settings: Iterable[str]) -> Preset:
    """The preset with `key=value` settings applied in order; values are YAML (`3`, `null`, `[q_proj]`)."""
    document = preset.model_dump(mode="json", exclude_unset=True)
    others = preset.others()
    given: set[str] = set()
    for setting in settings:
        place = f"--set {printable(setting)[:80]}"
        dotted, equals, text = setting.partition("=")
        if not equals or not dotted.strip():
            raise UserError(
                "not a key with a value", place=place, remedy="write it as KEY=VALUE, e.g. training.epochs=1"
            )
        path = tuple(dotted.strip().split("."))
        node = _parent(document, path, place)
        value = text.strip() if text.strip() == spool.STANDARD else parse(text, place).values
        key = keys().get(".".join(path))
        if key is not None and key.text_only and value is not None and not isinstance(value, str):
            value = text.strip()  # `name=2024` means the text: quotes on a command line are the shell's
        node[path[-1]] = value
        others.pop(".".join(path[:2]), None)
        if path[0] == "method":
            given.add(path[1])
            document["method"] = method.fitting(document["method"], frozenset(given))
        try:
            Preset.model_validate(document)
        except ValidationError as error:
            raise_first(faults(error, place, {}))
    return Preset.model_validate(document).from_others(others)


def dump_for(
    preset: Preset, path: Path, *, header: str | None = None, notes: Mapping[str, str] | None = None
) -> str:
    """Return what `save` writes to `path`: its relative paths hold from there."""
    header = header or f"{preset.name}: tuiftune train {path.name}"
    return dump(places.for_file(preset, path), header=header, notes=notes or {})


def save(
    preset: Preset, path: Path, *, header: str | None = None, notes: Mapping[str, str] | None = None
) -> None:
    """Write the preset as commented YAML: whole or not at all. A symbolic link is followed, so that the file
    it points to is replaced.
    """
    place = printable(str(path))
    if paths.is_dir(path):
        raise UserError("is a directory", place=place, remedy="name a file, such as preset.yaml")
    text = dump_for(preset, path, header=header, notes=notes)
    if holds_secret(text):
        raise UserError("a preset must not contain a token", place=place, remedy="set it in the environment")
    output = None
    try:
        output = Output(path)
        output.file.write(text.encode())
        output.commit()
    except OSError as error:
        raise paths.cannot(error, path, "write") from error
    finally:
        if output is not None:
            output.abandon()


def _document(text: str, place: str) -> Document:
    document = parse(text, place)
    if document.values is None:
        raise UserError(
            "is empty",
            place=place,
            remedy="create one with `tuiftune new`, or see `tuiftune preset list`",
        )
    if not isinstance(document.values, dict):
        raise UserError("does not contain keys", place=place, remedy="start with `model: {base: …}`")
    # A section whose keys are all commented out reads as null: that is an empty section, not a fault.
    values = {
        name: {} if item is None and name in sections() else item for name, item in document.values.items()
    }
    line = document.lines.get(("version",))
    document.values = migrate(values, f"{place} line {line}" if line else place)
    return document


def _parent(document: dict[str, Any], path: tuple[str, ...], place: str) -> dict[str, Any]:
    """The mapping that holds the last part of a dotted key, or the UserError that names the nearest key."""
    dotted = ".".join(path)
    if dotted in sections():
        raise UserError(
            f"`{dotted}` is a group of keys", place=place, remedy="set one of them, e.g. training.epochs=1"
        )
    free = path[:2] == ("data", "columns") and len(path) == 3
    if dotted not in keys() and not free:
        message, remedy = unknown_key(path)
        raise UserError(message, place=place, remedy=remedy)
    node = document
    for part in path[:-1]:
        node = node.setdefault(part, {})
    return node


def _read(path: Path) -> str:
    if paths.is_dir(path):
        raise UserError("is a directory", place=printable(str(path)), remedy="name a preset file in it")
    if not spool.is_stream(path) and holds_rows(path):
        place = printable(str(path))
        raise UserError(
            "is a data file, not a preset",
            place=place,
            remedy=f"make a preset for it: `tuiftune new {place}`",
        )
    paths.require(spool.regular(path), remedy="list the built-in presets: `tuiftune preset list`")
    return documents.read_text(path, _MOST_BYTES)
