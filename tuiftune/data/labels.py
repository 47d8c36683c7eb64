"""One rule for labels everywhere: spellings that differ only in case, punctuation around them or white space
are one label. Exact match alone compares the spelling.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tuiftune.data.chat.reasoning import composed, without
from tuiftune.figures import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def as_label(text: str) -> str:
    """Return a label as it is compared: without case, surrounding punctuation and extra white space. One of
    punctuation alone stays.
    """
    label = " ".join(composed(without(text)).casefold().split())
    return label.strip(" .,:;!\"'`*") or label


def spellings(rows: Mapping[str, int]) -> dict[str, str]:
    """Return each spelling (with its rows) and the most frequent one of its label; ties by name."""
    usual: dict[str, str] = {}
    for spelling in sorted(rows, key=lambda one: (-rows[one], one)):
        usual.setdefault(as_label(spelling), spelling)
    return {spelling: usual[as_label(spelling)] for spelling in rows}


def counted(rows: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the labels by their most frequent spelling with the rows of all spellings, most first."""
    given = dict(rows)
    usual = spellings(given)
    found: Counter[str] = Counter()
    for spelling, number in given.items():
        found[usual[spelling]] += number
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def told(labels: int, spelled: int) -> str:
    """Return the number of labels in words, and that of their spellings where it differs."""
    return plural(labels, "label") + (f" in {spelled:,} spellings" if spelled != labels else "")
