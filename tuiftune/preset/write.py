"""A preset as commented YAML: every key with what it does and what it allows, and the exact values back."""

from __future__ import annotations

import re
import textwrap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tuiftune.preset.words import Key, keys, sections

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.preset.schema import Preset

_WIDTH = 96
_NO_NOTES: Mapping[str, str] = MappingProxyType({})
# What YAML surely reads back as the same text without quotes, inside brackets too.
_PLAIN = re.compile(r"(?:[A-Za-z_]|\.{0,2}/)[A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*", re.ASCII)
_NOT_TEXT = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def dump(preset: Preset, *, header: str | None = None, notes: Mapping[str, str] = _NO_NOTES) -> str:
    """The whole preset, every key written out. `header` becomes the opening comment.

    `notes` are further comments, by dotted key.

    `loads(dump(preset))` equals the preset, and dumping that again gives the same text.
    """
    document = preset.model_dump(mode="json")
    known = keys()
    lines = [f"# {line}".rstrip() for line in (header or f"tuiftune preset: {preset.name}").splitlines()]
    lines.append("")
    for name, value in document.items():
        if name not in sections():
            lines += _entry(known[name], name, value, notes.get(name, ""), indent=0)
            continue
        lines += ["", f"# {sections()[name]}", f"{name}:"]
        for leaf, item in value.items():
            lines += _entry(known[f"{name}.{leaf}"], leaf, item, notes.get(f"{name}.{leaf}", ""), indent=2)
    return "\n".join(lines) + "\n"


def _entry(key: Key, leaf: str, value: Any, note: str, *, indent: int) -> list[str]:
    allows = "" if key.allows == "text" else f" [{key.allows}]"
    prefix = " " * indent + "# "
    comment = textwrap.wrap(
        key.does + allows,
        _WIDTH,
        initial_indent=prefix,
        subsequent_indent=prefix + "  ",
        break_on_hyphens=False,
    )
    comment += [prefix + note] if note else []
    return [*comment, f"{' ' * indent}{leaf}: {scalar(value)}"]


def scalar(value: Any) -> str:
    """One value on one line of YAML 1.2, read back as exactly the same; lists and mappings in brackets."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # every key that takes 3.0 takes 3
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(scalar(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(item)}" for key, item in value.items()) + "}"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0x20 <= code < 0x7F or (char.isprintable() and code < 0xD800) or 0x1F300 <= code < 0x1FA00:
        return char
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
