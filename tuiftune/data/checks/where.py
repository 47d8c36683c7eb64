"""Where in a text the fault lies that a check flagged its row for, as far as it lies in one place."""

from __future__ import annotations

import re

from tuiftune.data.checks.encoding import FAULT, PLACEHOLDER, TAGS, TURNED
from tuiftune.data.checks.secrets import PERSONAL, SECRETS, found_in
from tuiftune.data.checks.special_tokens import COMMON

_TOKENS = sorted(COMMON, key=len, reverse=True)
_PATTERNS = {
    "encoding": re.compile(FAULT),
    "hidden-characters": re.compile(f"{TURNED}|{TAGS}"),
    "placeholders": re.compile(PLACEHOLDER),
    "special-tokens": re.compile("|".join(map(re.escape, _TOKENS))),
}


def spans(check: str, text: str) -> list[tuple[int, int]]:
    """(start, end) of each place, in order; none where the fault is the row's as a whole."""
    if check in ("secrets", "personal-data"):
        kinds = SECRETS if check == "secrets" else PERSONAL
        return [(start, end) for kind, start, end in found_in(text) if kind in kinds]
    pattern = _PATTERNS.get(check)
    return [match.span() for match in pattern.finditer(text)] if pattern else []
