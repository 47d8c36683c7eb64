"""Where two texts differ, quickly: what they share at both ends is set aside first."""

from __future__ import annotations

import difflib

LONGEST = 2000  # characters of the differing middle that are compared one by one


def differences(before: str, after: str) -> list[tuple[str, str, str]]:
    """Pieces in order: ("same", text, text), ("differs", of before, of after); one of the two may be ""."""
    start = _shared(before, after)
    end = _shared(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    pieces = [("same", before[:start], before[:start])]
    if len(old) <= LONGEST and len(new) <= LONGEST:
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        pieces += [
            ("same" if kind == "equal" else "differs", old[a:b], new[c:d])
            for kind, a, b, c, d in matcher.get_opcodes()
        ]
    else:
        pieces.append(("differs", old, new))
    pieces.append(("same", before[len(before) - end :], after[len(after) - end :]))
    return [piece for piece in pieces if piece[1] or piece[2]]


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
