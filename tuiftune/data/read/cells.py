"""Lists and objects that a table keeps as text in a cell: JSON, and the way Python and NumPy print them."""

from __future__ import annotations

import ast
import re
from string import ascii_letters, digits
from typing import Any

from tuiftune.documents import deeper_than, loads

LONGEST_LITERAL = 1 << 20  # characters; Python's own reader takes some hundred bytes for each
_OPENINGS = ("[", "{", "array([")
_MISSING = frozenset(("", "nan", "none", "null", "<na>", "[]", "{}"))
_TOKEN = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\s+|[^\s'"]+""",
    re.DOTALL,
)
_NAME_LETTERS = ascii_letters + digits + "_.<>"


def structured(text: str) -> Any:
    """The list or object that a cell's text stands for; None where it is plain text."""
    if not text.lstrip().startswith(_OPENINGS):
        return None
    try:
        value = loads(text)
    except ValueError:
        return python_value(text)
    return value if isinstance(value, list | dict) else None


def python_value(text: str) -> Any:
    """A list or dict as Python or NumPy prints it; None for other text, and for lists printed with "…"."""
    if len(text) > LONGEST_LITERAL or not text.lstrip().startswith(_OPENINGS):
        return None
    value = _literal(_with_commas(text.strip()))
    if not isinstance(value, list | dict) or deeper_than(value) or _shortened(value):
        return None
    return value


def is_missing(value: Any) -> bool:
    """Whether a cell says that it holds nothing: null, an empty text, list or object, "nan", "None" …"""
    if isinstance(value, str):
        return value.strip().lower() in _MISSING
    return value is None or value == [] or value == {} or value != value


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _with_commas(text: str) -> str:
    """NumPy prints no commas between elements, and wraps arrays in `array(…, dtype=…)`. Texts within quotes
    stay.
    """
    pieces: list[str] = []
    tokens = _TOKEN.findall(text)
    arrays = "array(" in text
    for at, token in enumerate(tokens):
        if token[0] in "'\"":
            if arrays and at and tokens[at - 1].endswith("dtype="):
                continue
            if pieces and pieces[-1][-1:] in ("'", '"'):
                pieces.append(", ")  # two texts side by side are two elements, never one
            pieces.append(token)
        elif token.isspace():
            before = pieces[-1][-1:] if pieces else ""
            after = tokens[at + 1][0] if at + 1 < len(tokens) else ""
            ended = before in ("'", '"', "]", "}") or before.isalnum()
            opens = after in ("'", '"', "[", "{") or after.isalnum() or after == "-"
            pieces.append(", " if ended and opens else token)
        elif arrays:
            pieces.append(_bare(token, pieces))
        else:
            pieces.append(token)
    return "".join(pieces)


def _bare(token: str, before: list[str]) -> str:
    """What stands between texts without `array(`, its closing bracket, and its type with the comma before."""
    if "dtype=" in token:
        head, _, rest = token.partition("dtype=")
        while before and not before[-1].strip():
            before.pop()
        if not head.strip(",") and before:
            before[-1] = before[-1].removesuffix(",")
        token = head.rstrip(",") + rest.lstrip(_NAME_LETTERS)
    return token.replace("array(", "").replace(")", "")


def _shortened(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_shortened(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_shortened(inner) for inner in value)
    return value is ...
