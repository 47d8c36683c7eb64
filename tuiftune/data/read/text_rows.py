"""Documents out of plain text and Markdown.

Plain text: paragraphs between blank lines; where there are no blank lines and lines are long, each line is a
document (the usual layout of wiki dumps). Markdown: sections that begin with a heading, code fences kept
whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuiftune.data.read.bytestream import HEAD, open_text
from tuiftune.data.read.json_rows import BATCH_ROWS, LONGEST_ROW, next_line
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.data.read.json_rows import Batch, Row

LONG_LINE = 80  # characters: median above which a line without blank neighbors is a document
MATTER_LINES = 200
_MATTER = ("---", "+++")
_HEADING = re.compile(r"#{1,6} ")


def text_rows(path: Path, lost: Counter[str] | None = None) -> Iterator[Batch]:
    """Batches of (line at which the document starts, {"text": …}). What is left out is counted in `lost`."""
    markdown = (
        path.name.lower().removesuffix(".gz").removesuffix(".zst").endswith((".md", ".markdown", ".mdx"))
    )
    numbers: list[int] = []
    rows: list[Row] = []
    for number, document in _sections(path, lost) if markdown else _paragraphs(path):
        numbers.append(number)
        rows.append({"text": document})
        if len(rows) == BATCH_ROWS:
            yield numbers, rows
            numbers, rows = [], []
    if rows:
        yield numbers, rows


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    with open_text(path) as text:
        number = 0
        while line := next_line(text, path, number + 1):
            number += 1
            if len(line) >= LONGEST_ROW:
                raise UserError(
                    "the line is too long", place=f"{path}:{number}", remedy="split it into paragraphs"
                )
            yield number, line


def _paragraphs(path: Path) -> Iterator[tuple[int, str]]:
    with open_text(path) as text:
        head = text.read(HEAD * 8).splitlines()
    filled = sorted(len(line) for line in head if line.strip())
    by_line = bool(filled) and len(filled) == len(head) and filled[len(filled) // 2] >= LONG_LINE
    start, held = 0, list[str]()
    for number, line in _numbered(path):
        if by_line:
            if line.strip():
                yield number, line.strip()
        elif line.strip():
            start = start if held else number
            held.append(line)
        elif held:
            yield start, "".join(held).strip()
            held = []
    if held:
        yield start, "".join(held).strip()


def _closes(path: Path, mark: str) -> bool:
    """Whether the mark on the first line is met again, so that it isn't a mere rule."""
    return any(line.rstrip() == mark for number, line in _numbered(path) if 1 < number < MATTER_LINES)


def _sections(path: Path, lost: Counter[str] | None) -> Iterator[tuple[int, str]]:
    start, held, fenced = 1, list[str](), False
    matter = ""  # what closes the front matter that the line is in
    for number, line in _numbered(path):
        if number == 1 and line.rstrip() in _MATTER and _closes(path, line.rstrip()):
            matter = line.rstrip()
            if lost is not None:
                lost["front matter of a Markdown file is dropped"] += 1
            continue
        if matter:
            matter = "" if line.rstrip() == matter else matter
            start = number + 1
            continue
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        if (
            not fenced
            and _HEADING.match(line)
            and any(kept.strip() and not _HEADING.match(kept) for kept in held)
        ):
            yield start, "".join(held).strip()
            start, held = number, []
        held.append(line)
    if "".join(held).strip():
        yield start, "".join(held).strip()
