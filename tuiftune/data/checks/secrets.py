"""Secrets and personal data, by anchored patterns; numbers are verified by their check digits."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from tuiftune.data.checks.encoding import parts
from tuiftune.printable import printable
from tuiftune.secret_forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.data.checks.check import Check, Subject

PERSONAL = {
    "email": r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9][A-Za-z0-9.-]{0,62}\.[A-Za-z]{2,12}",
    "phone number": r"\+[1-9][0-9]{0,2}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{1,4}(?:[ .-]?[0-9]{2,4}){2,4}"
    r"|\([0-9]{3}\) ?[0-9]{3}[ .-][0-9]{4}|[2-9][0-9]{2}[.-][2-9][0-9]{2}[.-][0-9]{4}",
    "card number": r"[3-6][0-9]{3}(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,7}"
    r"|3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}",
    "IBAN": r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?",
    "social security number": r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}",
}
SECRETS = FORMS
PATTERNS = {**SECRETS, **PERSONAL}
_PLACEHOLDERS = re.compile(
    r"example|yourname|your_|xxxx|<|test@|user@|name@|email@|foo@|bar@|john\.?doe|jane\.?doe", re.IGNORECASE
)
_COMPILED = {
    kind: re.compile(rf"(?<![A-Za-z0-9_])(?:{pattern})", re.ASCII) for kind, pattern in PATTERNS.items()
}
# Visa, Mastercard, Discover and JCB with 16 digits, American Express with 15.
_ISSUERS = re.compile(r"4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|6(?:011|5\d\d)\d{12}|35\d{14}|3[47]\d{13}")
MASKS = {
    "email": "[EMAIL]",
    "phone number": "[PHONE]",
    "card number": "[CARD]",
    "IBAN": "[IBAN]",
    "social security number": "[SSN]",
}


def scan(kinds: dict[str, str]) -> str:
    """One pattern for Rust's regex that matches wherever one of these might."""
    return r"(?:^|[^A-Za-z0-9_])(?:" + "|".join(kinds.values()) + ")"


def found_in(text: str) -> list[tuple[str, int, int]]:
    """(kind, start, end) of every verified secret or piece of personal data, in order, without overlaps."""
    spans = [
        (match.start(), -match.end(), kind)
        for kind, pattern in _COMPILED.items()
        for match in pattern.finditer(text)
        if _holds(kind, match[0], text, match.end())
    ]
    out: list[tuple[str, int, int]] = []
    for start, end, kind in sorted(spans):
        if not out or start >= out[-1][2]:
            out.append((kind, start, -end))
    return out


def masked(text: str) -> str:
    """The text with each finding replaced by its kind in square brackets."""
    pieces, last = [], 0
    for kind, start, end in found_in(text):
        pieces += [text[last:start], MASKS.get(kind, "[SECRET]")]
        last = end
    return "".join([*pieces, text[last:]])


def _holds(kind: str, value: str, text: str, end: int) -> bool:
    after = text[end : end + 1]
    if kind in PERSONAL and kind != "email" and (after.isalnum() and after.isascii()):
        return False
    if kind == "card number":
        digits = re.sub(r"\D", "", value)
        return bool(_ISSUERS.fullmatch(digits)) and len(set(digits)) > 2 and _luhn(digits)
    if kind == "IBAN":
        return _iban(value.replace(" ", ""))
    if kind == "phone number":
        return 9 <= sum(character.isdigit() for character in value) <= 15
    if kind == "social security number":
        return value[:3] not in ("000", "666") and value[4:6] != "00" and value[7:] != "0000"
    if kind == "email":
        return not _PLACEHOLDERS.search(value)
    if kind == "password":
        secret = re.split(r"[:=]", value, maxsplit=1)[1].strip(" \"'")
        if _PLACEHOLDERS.search(secret) or secret.replace(".", "").replace("_", "").isalpha():
            return False
        mixed = any(c.isdigit() for c in secret) and any(c.isalpha() for c in secret)
        return mixed and _entropy(secret) > 2.5
    if kind == "password in a URL":
        return not _PLACEHOLDERS.search(value.split("@")[0])
    return True


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _iban(value: str) -> bool:
    if not 15 <= len(value) <= 34:
        return False
    turned = value[4:] + value[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def _entropy(text: str) -> float:
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def secrets(subject: Subject) -> Iterator[Check]:
    """secrets (keys, tokens, passwords) and personal-data (mail, phone, card, IBAN, social security
    numbers).
    """
    names = parts(subject)
    for check, title, kinds, why in (
        (
            "secrets",
            "Secrets",
            SECRETS,
            "The model can leak keys and passwords that it is trained on. Redact them, and revoke the keys.",
        ),
        (
            "personal-data",
            "Personal data",
            PERSONAL,
            "The model may repeat personal data; you may not be allowed to train on it.",
        ),
    ):
        pattern = scan(kinds)
        suspects = subject.where(
            pl.any_horizontal(pl.col(name).str.contains(pattern).fill_null(False) for name in names)
        )
        hits, examples, tally = list[int](), list[str](), Counter[str]()
        rows = (row for piece in subject.dataset.pieces(suspects) for row in piece.iter_rows(named=True))
        for index, row in zip(suspects.tolist(), rows, strict=True):
            found = [
                (kind, row[name][start:end])
                for name in names
                if row[name]
                for kind, start, end in found_in(row[name])
                if kind in kinds
            ]
            if found:
                hits.append(index)
                tally.update({kind for kind, _ in found})
                if len(examples) < 3:
                    examples.append(f"{row['row']}: {found[0][0]} {_hidden(found[0][1])}")
        told = ", ".join(f"{kind} ({count:,})" for kind, count in tally.most_common())
        yield subject.verdict(
            check,
            title,
            "error" if check == "secrets" else "warning",
            suspects[:0] if not hits else pl.Series(hits).to_numpy().astype("intp"),
            why=f"{told}. {why}",
            remedy="redact them: tuiftune data clean --redact",
            examples=examples,
        )


def _hidden(value: str) -> str:
    """Enough to find it again, not enough to use it."""
    shown = printable(value)
    keep = min(4, len(shown) // 4)
    return shown[:keep] + "…" + (shown[-2:] if len(shown) > 12 else "")
