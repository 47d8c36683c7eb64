"""UTF-8 that was read as Windows-1252, read again as UTF-8: only if the characters cannot be intended.

A lead character and what follows it may both be sound: in „Spaß“, Ä… and café”… a letter stands before a
quote or a dash. So where what follows is such punctuation, a group counts as damaged only in the middle of a
word, next to other damage, or in a text full of it.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Windows-1252 with its five holes filled, so that every byte has a character and back.
_HOLES = {0x81: "\x81", 0x8D: "\x8d", 0x8F: "\x8f", 0x90: "\x90", 0x9D: "\x9d"}
_BYTES = {
    (_HOLES[byte] if byte in _HOLES else bytes([byte]).decode("cp1252")): byte for byte in range(128, 256)
}
_BYTES |= {chr(byte): byte for byte in range(0x80, 0xA0)}
_TAIL = "[" + "".join(re.escape(character) for character, byte in _BYTES.items() if byte < 0xC0) + "]"
_GROUP = re.compile(f"[\u00c2-\u00df]{_TAIL}|[\u00e0-\u00ef]{_TAIL}{{2}}|[\u00f0-\u00f4]{_TAIL}{{3}}")
# What may stand after a letter in sound text: closing quotes, dashes, a space that doesn't break; and signs.
_ENDS = frozenset("’‘“”»›…–—•\u00a0")
_SIGNS = _ENDS | frozenset("‚„«‹·®™©°ºª²³¹§")
_LATIN = frozenset("ÂÃÄÅÎÏÐÑ")  # leads of two that are read alone
_BESIDE = _LATIN | frozenset("ËÆ")  # and next to other damage: ˆ ˜ ƒ
_SCRIPTS = ("ÎÏ", "ÐÑ", "ØÙÚÛ", "×", "ÄÅÆ")  # leads of Greek, Cyrillic, Arabic, Hebrew, Vietnamese
_RUN = 3  # groups of one script side by side that are no chance
ROUNDS = 3


def decoded_right(text: str) -> str:
    """Return the text with wrongly decoded groups fixed (also those decoded wrongly twice)."""
    for _ in range(ROUNDS):
        again = _round(text)
        if again == text:
            break
        text = again
    return text


def _round(text: str) -> str:
    groups = [(match, reading) for match in _GROUP.finditer(text) if (reading := _read(match[0]))]
    sure = [_sure(text, match) for match, _ in groups]
    for first, last in _runs([match for match, _ in groups]):
        inside = range(first, last + 1)
        leads = [groups[at][0][0][0] for at in inside]
        alike = any(set(leads) <= set(script) for script in _SCRIPTS)
        if len(inside) >= _RUN and (alike or all(len(groups[at][0][0]) == 3 for at in inside)):
            sure[first : last + 1] = [True] * len(inside)
        elif any(sure[at] for at in inside):
            sure[first : last + 1] = [sure[at] or leads[at - first] in _BESIDE for at in inside]
    certain = "".join(match[0][0] for (match, _), known in zip(groups, sure, strict=True) if known)
    for script in _SCRIPTS[:3]:
        if sum(lead in script for lead in certain) >= _RUN:  # a text in that script: its short words, too
            sure = [known or match[0][0] in script for known, (match, _) in zip(sure, groups, strict=True)]
    pieces, end = [], 0
    for (match, reading), known in zip(groups, sure, strict=True):
        if known:
            pieces += [text[end : match.start()], reading]
            end = match.end()
    return "".join([*pieces, text[end:]])


def _read(group: str) -> str | None:
    """The character whose bytes a group shows; None where they are none, or one that nobody writes."""
    try:
        reading = bytes(_BYTES[character] for character in group).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if 0xE000 <= ord(reading) < 0xF900 else reading


def _sure(text: str, match: re.Match[str]) -> bool:
    """Whether this group alone can't be meant."""
    group = match[0]
    if len(group) == 4:
        return True
    if len(group) == 3:
        return not _SIGNS.issuperset(group[1:])
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    if group[0] == "Â":
        control = _BYTES[group[1]] < 0xA0
        return not control and not before.isupper() and before not in ("«", "“", '"')
    if group[0] not in _LATIN:
        return False
    if group[0] == "Ã" and group[1] == "\u00a0":
        return not before.isupper()
    if group[1] not in (_ENDS if group[0] == "Ã" else _SIGNS):
        return True
    return after.isalpha() or before.islower()


def _runs(groups: list[re.Match[str]]) -> Iterator[tuple[int, int]]:
    """(first, last) of groups that stand side by side."""
    first = 0
    for at, (before, after) in enumerate(pairwise([*groups, None])):
        if before is not None and (after is None or before.end() != after.start()):
            if at > first:
                yield first, at
            first = at + 1
