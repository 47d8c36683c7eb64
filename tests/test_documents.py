"""Files that others wrote are read within limits, or refused in one line."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tuiftune import documents
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

DEEP = 100_000
NOT_JSON = (
    "",
    "{",
    "[" * DEEP,
    '{"a":' * DEEP,
    "[" * 101 + "]" * 101,
    "[" * 900 + "]" * 900,
    "9" * 5000,
    '{"a": ' + "9" * 301 + "}",
    '["' + "9" * 400 + '", ' + "9" * 400 + "]",
    "nul",
    "{'a': 1}",
    "[1] [2]",
    "\ufeff\ufeff[]",
)
JSON = (
    "[" * 100 + "]" * 100,
    '"' + "[" * 5000 + '"',
    '"' + "9" * 400 + '"',
    "9" * 300,
    "[" + "[1]," * 500 + "1]",
    '"\\"[{"',
    "\ufeff[]",
)


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_is_too_deep_or_too_long_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        documents.loads(text.encode())


@pytest.mark.parametrize("text", JSON)
def test_what_is_within_the_limits_is_read(text: str) -> None:
    assert documents.loads(text.encode()) == json.loads(text.lstrip("\ufeff"))


def test_a_number_within_the_limit_can_be_calculated_with() -> None:
    assert 0 < float(documents.loads("9" * documents.MOST_DIGITS)) < float("inf")


@pytest.mark.parametrize(
    "kind", ["pipe", "folder", "device", "loop", "gone", "large", "latin", "list", "deep"]
)
def test_what_is_no_document_is_refused_in_a_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    makes = {
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "loop": lambda: path.symlink_to(path),
        "gone": lambda: None,
        "large": lambda: path.write_bytes(b" " * 2000),
        "latin": lambda: path.write_bytes(b'{"a": "\xe9"}'),
        "list": lambda: path.write_text("[]"),
        "deep": lambda: path.write_text("[" * 900),
    }
    makes[kind]()  # type: ignore[no-untyped-call]
    with pytest.raises(UserError) as caught:
        documents.read_json(path, 1000)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    if kind != "deep":
        assert list(documents.json_lines(path, 1000)) in ([], [[]])


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'1\n{"a": \n' + b"[" * DEEP + b"\n" + b"9" * 400 + b'\n\xff\n\n"last"')
    assert list(documents.json_lines(path)) == [1, "last"]
