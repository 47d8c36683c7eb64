"""Text that was decoded wrongly somewhere on its way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from tuiftune.data.excerpt import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Check, Subject

# UTF-8 read as Windows-1252: a lead byte's character followed by a continuation byte's.
_TAIL = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
MOJIBAKE = (
    f"[ÂÃ]{_TAIL}|â[€\u0080]{_TAIL}|ðŸ|ð\u009f|ï»¿|ï¿½|(?:[ÎÏÐÑØÙÚÛ×]{_TAIL}){{3}}|[ÄÅ][¡¤¥¦¼¾¿‡†ˆ‰ŠŒŽšœžŸ]"
)
EXCEL = "_x000D_"  # how Excel writes a carriage return into a cell
LOST = "\ufffd"
CONTROL = "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]"
OVERRIDE = "[\u202d\u202e]"  # no right-to-left text needs them
TURNED = "[\u202a-\u202e\u2066-\u2069]"
RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]"
TAGS = "[\U000e0001-\U000e007f]"  # ASCII that no screen shows; in flags of regions alone it is meant
FLAG = f"\U0001f3f4{TAGS}+"
FAULT = f"{MOJIBAKE}|{LOST}|{CONTROL}"


PLACEHOLDER = (
    r"\{\{ *[A-Za-z_]\w* *\}\}|\[(?:INSERT|YOUR|NAME|DATE|COMPANY)[ A-Z_]*\]|<(?:INSERT|YOUR)[ A-Z_]*>"
)
CERTAIN = (
    r"(?i:nan|<na>|#n/a|#(?:value|ref|name|num|null|spill|calc)[!?]|#div/0!|<noinput>|<no input>|"
    r"\[no ?input\]|noinput|undefined)"
)
NOTHING = CERTAIN + r"|(?i:null|n/a|none)"


def parts(subject: Subject) -> list[str]:
    """The columns that hold text of this dataset; at least the answers, be they all missing."""
    names = ["prompt", "answer", "system", "rejected"]
    filled = [name for name in names if subject.frame[name].null_count() < subject.frame.height]
    return filled or ["answer"]


def encoding(subject: Subject) -> Iterator[Check]:
    """encoding: mojibake, replacement characters, control characters, bytes that were not UTF-8."""
    names = parts(subject)
    bad = pl.any_horizontal(pl.col(name).str.contains(FAULT).fill_null(False) for name in names)
    stray = subject.where(pl.col("fault").str.contains("bytes").fill_null(False))
    indices = subject.where(bad | pl.col("fault").str.contains("bytes").fill_null(False))
    examples = []
    for row in subject.rows_at(indices[:3]).iter_rows(named=True):
        for name in names:
            found = pl.Series([row[name]]).str.find(FAULT)[0] if row[name] else None
            if found is not None:
                at = len(row[name].encode()[:found].decode("utf-8", "ignore"))
                examples.append(f"{row['row']}: {excerpt(row[name][max(0, at - 20) : at + 30], 60)}")
                break
        else:  # stray bytes, read as letters
            text = next((row[name] for name in names if row[name] and not row[name].isascii()), "")
            examples.append(f"{row['row']}: {excerpt(text, 60)}")
    yield subject.verdict(
        "encoding",
        "Encoding errors and control characters",
        "warning",
        indices,
        why="Wrongly decoded characters (â€™ for ’) or control sequences: the model learns to write them."
        + (
            f" {len(stray):,} rows hold bytes that are not UTF-8, read as Windows-1252." if len(stray) else ""
        ),
        remedy="convert the file to UTF-8 if its letters look wrong (iconv -f ENCODING -t UTF-8 FILE > NEW); "
        "else fix it: tuiftune data clean"
        if len(stray)
        else "fix them: tuiftune data clean",
        examples=examples,
    )


def hidden(subject: Subject) -> Iterator[Check]:
    """hidden-characters: what turns text around, or is not shown."""
    bad = pl.any_horizontal(
        (
            pl.col(name).str.contains(OVERRIDE)
            | (pl.col(name).str.contains(TURNED) & ~pl.col(name).str.contains(RIGHT_TO_LEFT))
            | pl.col(name).str.replace_all(FLAG, "").str.contains(TAGS)
        ).fill_null(False)
        for name in parts(subject)
    )
    indices = subject.where(bad)
    first = subject.rows_at(indices[:3]).select("row", *parts(subject))
    examples = []
    for number, *texts in first.iter_rows():
        found = next((m for text in texts if text and (m := re.search(f"{TURNED}|{TAGS}", text))), None)
        if found is not None:
            examples.append(f"{number}: {excerpt(found.string[max(0, found.start() - 20) :][:50], 60)}")
    yield subject.verdict(
        "hidden-characters",
        "Hidden or text-reversing characters",
        "warning",
        indices,
        why="Direction marks (such as U+202E) display text in another order than the model learns to write "
        "it; tag characters are invisible.",
        remedy="remove them, or drop the rows: tuiftune data clean --drop hidden-characters",
        examples=examples,
    )


def placeholders(subject: Subject) -> Iterator[Check]:
    """placeholders: templates that were never filled in; missing-values: words left for empty cells."""
    names = parts(subject)
    bad = pl.any_horizontal(pl.col(name).str.contains(PLACEHOLDER).fill_null(False) for name in names)
    yield subject.verdict(
        "placeholders",
        "Unfilled placeholders",
        "warning",
        subject.where(bad),
        why="The model will learn to write {{name}} or [YOUR NAME] literally.",
        remedy="fill them in, unless the model should write templates",
    )
    turn = pl.element().struct.field("content").str.strip_chars()
    nothing = pl.col("messages").list.eval(turn.str.contains(f"^(?:{NOTHING})$")).list.any()
    for name in names:
        words = CERTAIN if name == "answer" and subject.format == "classification" else NOTHING
        column = pl.col(name).str.strip_chars()
        nothing |= column.str.contains(EXCEL, literal=True).fill_null(False)
        if name == "answer":
            nothing |= column.str.contains(f"^(?:{words})$").fill_null(False)
        else:  # a question may be glued from several cells
            nothing |= column.str.tail(20).str.contains(f"(?:^|\\n\\n)(?:{words})$").fill_null(False)
            nothing |= column.str.head(20).str.contains(f"^(?:{words})(?:\\n\\n|$)").fill_null(False)
    yield subject.verdict(
        "missing-values",
        "Words for missing values (nan, None, <noinput>)",
        "warning",
        subject.where(nothing),
        why="A program wrote them for empty cells (or _x000D_ for a line break); they would be trained on "
        "as text.",
        remedy="clear these cells, or drop the rows: tuiftune data clean --drop missing-values",
        show="prompt",
    )
