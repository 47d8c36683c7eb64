"""Files that others may have written, read whole within limits: regular files only, of a bounded length.

Reading a pipe may block for ever, and a device may never end. JSON is bounded in depth and in the digits of a
number, so that code that walks through it, or calculates with it, does not exceed Python's limits.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
from typing import TYPE_CHECKING, Any

from tuiftune import paths, spool
from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

MOST_BYTES = 16 * 2**20  # the index of a model in a thousand parts has 9 MB
DEEPEST = 100
MOST_DIGITS = 300  # of a whole number: one of 309 is beyond what a float holds
# What kind of value stands under a key of a shape; a list or an object of these is a shape as well.
NUMBER, SHARE, TEXT, FLAG, OBJECT, NUMBERS = (
    "a number",
    "a share from 0 to 1",
    "text",
    "true or false",
    "an object",
    "numbers under names",
)
MOST = 1e18  # bytes, tokens and steps stay far below
_LONG_NUMBER = re.compile(rf"[0-9]{{{MOST_DIGITS + 1}}}")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file. Raises UserError for others, and for more than `most` bytes."""
    with opened(path) as file:
        try:
            data = file.read(most + 1)
        except OSError as fault:
            raise paths.cannot(fault, path, "read") from None
    if len(data) > most:
        raise UserError(
            f"the file is larger than {most / 1e6:.3g} MB",
            place=printable(str(path)),
            remedy="check that this is the right file",
        )
    return data


def read_head(path: Path, most: int) -> str:
    """Return the first bytes of a regular file as text. Raises UserError if they cannot be read."""
    with opened(path) as file:
        try:
            return file.read(most).decode("utf-8", "replace")
        except OSError as fault:
            raise paths.cannot(fault, path, "read") from None


def open_regular(path: Path) -> int:
    """Return a descriptor to read a regular file, or what a pipe held that was read before.

    Raises UserError if it cannot be opened or is not one.
    """
    path = spool.copy_of(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as fault:
        raise paths.cannot(fault, path, "read") from None
    try:
        refuse_special(path, descriptor)
    except UserError:
        os.close(descriptor)
        raise
    return descriptor


def opened(path: Path) -> BinaryIO:
    """Open a regular file to read. Raises UserError if it cannot be opened or is not one."""
    return os.fdopen(open_regular(path), "rb")


def refuse_special(path: Path, descriptor: int) -> None:
    """Raise UserError unless an open descriptor is that of a regular file."""
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(kind):
        raise paths.cannot(IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)), path, "read")
    if not stat.S_ISREG(kind):
        raise UserError(
            "is a pipe or a device, not a file", place=printable(str(path)), remedy="name a regular file"
        )


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Return the text of a regular UTF-8 file, without a byte order mark. Raises UserError if invalid."""
    data = read_bytes(path, most)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise UserError(
            "is not UTF-8 text", place=f"{printable(str(path))} line {line}", remedy="save it as UTF-8"
        ) from None


def read_json(
    path: Path, most: int = MOST_BYTES, *, remedy: str = "write or copy it again"
) -> dict[str, Any]:
    """Return the JSON object in a file. Raises UserError with the file and the line of an error."""
    place = printable(str(path))
    data = read_text(path, most)
    try:
        document = loads(data)
    except json.JSONDecodeError as fault:
        raise UserError(f"is not JSON: {fault.msg}", place=f"{place}:{fault.lineno}", remedy=remedy) from None
    except ValueError as fault:
        raise UserError(f"is not usable: {fault}", place=place, remedy=remedy) from None
    if not isinstance(document, dict):
        raise UserError("is not a JSON object", place=place, remedy=remedy)
    return document


def json_lines(path: Path, most: int = MOST_BYTES) -> Iterator[Any]:
    """Yield the JSON values of a file with one per line, without damaged lines; none if it is unreadable."""
    try:
        data = read_bytes(path, most)
    except UserError:
        return
    for line in data.split(b"\n"):
        if line.strip():
            try:
                yield loads(line)
            except ValueError:
                continue


def loads(text: str | bytes) -> Any:
    """Return a JSON value. Raises ValueError if it is invalid or exceeds the limits."""
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        if len(text) > MOST_DIGITS and _LONG_NUMBER.search(text) and _has_long_number(text):
            raise ValueError(f"a number of more than {MOST_DIGITS} digits")
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {DEEPEST} levels") from None
    if text.count("[") + text.count("{") > DEEPEST and deeper_than(value):
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    return value


def deeper_than(value: Any, deepest: int = DEEPEST) -> bool:
    """Return True if lists and objects are nested deeper than that."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(deepest):
        if not level:
            return False
        inside = (one.values() if isinstance(one, dict) else one for one in level)
        level = [child for children in inside for child in children if isinstance(child, dict | list)]
    return bool(level)


def _has_long_number(text: str) -> bool:
    """Return True if there is a number with too many digits outside of strings."""
    return any(_LONG_NUMBER.search(part) for part in _TEXT.split(text))


def checked(document: dict[str, Any], shape: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the document with None for NaN and infinities. Raises UserError for the first wrong type.

    Keys that are missing or null are allowed; keys that the shape does not list are not checked.
    """
    found: dict[str, Any] = _as(document, shape, "", place)
    return found


def _as(value: Any, shape: Any, key: str, place: str) -> Any:
    if value is None or shape is None:
        return value
    if isinstance(shape, str):
        return _plain(value, shape, key, place)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise _wrong(value, "a list", key, place)
        return [_as(item, shape[0], key, place) for item in value if item is not None]
    if not isinstance(value, dict):
        raise _wrong(value, OBJECT, key, place)
    return {name: _as(item, shape.get(name), f"{key}.{name}", place) for name, item in value.items()}


def _plain(value: Any, kind: str, key: str, place: str) -> Any:
    if kind == NUMBERS and isinstance(value, dict):
        return {name: _as(item, NUMBER, f"{key}.{name}", place) for name, item in value.items()}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (NUMBER, SHARE) and number:
        if not math.isfinite(value):
            return None
        if (0 <= value <= 1) if kind == SHARE else abs(value) <= MOST:
            return value
    kinds = {TEXT: str, FLAG: bool, OBJECT: dict}
    if kind in kinds and isinstance(value, kinds[kind]):
        return value
    raise _wrong(value, kind, key, place)


def _wrong(value: Any, kind: str, key: str, place: str) -> UserError:
    shown = printable(str(value))
    shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
    return UserError(
        f"`{printable(key.removeprefix('.'))}` is {shown or 'empty'}, expected {kind}",
        place=place,
        remedy="the file was edited or damaged; copy the run again",
    )
