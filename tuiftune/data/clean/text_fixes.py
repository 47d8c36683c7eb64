"""Texts repaired one by one: line ends, control characters, wrong decoding, control tokens, secrets."""

from __future__ import annotations

import re
import unicodedata

from tuiftune.data.checks.encoding import EXCEL, MOJIBAKE
from tuiftune.data.checks.secrets import MASKS, found_in
from tuiftune.data.checks.special_tokens import COMMON
from tuiftune.data.clean.mojibake import decoded_right

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ANSI = re.compile("\x1b(?:\\[[0-9;?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\-_])")
_SUSPECT = re.compile(MOJIBAKE)
# A zero-width space parts words in Thai, Lao, Burmese and Khmer.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_INVISIBLE = re.compile(f"[\ufeff\u2060]|(?<![{_SPACELESS}])\u200b(?![{_SPACELESS}])")
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85]")
# A letter with its marks. What else normal forms would change (CJK variants, units such as Å and Ω) stays.
_MARKED = re.compile("[^\\W\\d_][\u0300-\u036f]+")
_TOKENS = re.compile("|".join(re.escape(token) for token in sorted(COMMON, key=len, reverse=True)))
_BLANK_HEAD = re.compile(r"\A\s*\n")

# What a cheap scan (Rust's regex) must find for `mended` to have anything to do.
SUSPECT = (
    f"{MOJIBAKE}|{EXCEL}|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\ufeff\u200b\u2060]|^\\s|\\s$|[\u0300-\u036f]"
)


def mended(text: str) -> tuple[str, list[str]]:
    """(text, what was done): encoding, control characters, line ends and composed letters."""
    done = []
    out = text
    if _SUSPECT.search(out):
        decoded = decoded_right(out)
        if decoded != out:
            done.append("encoding fixed")
            out = decoded
    plain = _CONTROL.sub("", _ANSI.sub("", _BREAKS.sub("\n", out.replace(EXCEL, ""))))
    plain = _INVISIBLE.sub("", plain)
    if plain != out.replace("\r\n", "\n"):
        done.append("control characters removed")
    # Inner spaces stay (Markdown's line breaks), and so does the indentation of code that opens a text.
    tidy = _BLANK_HEAD.sub("", plain).rstrip()
    if "\n" not in tidy:
        tidy = tidy.lstrip()
    tidy = _MARKED.sub(lambda match: unicodedata.normalize("NFC", match[0]), tidy)
    if tidy != plain or (plain != out and "control characters removed" not in done):
        done.append("spaces and line breaks normalized")
    return tidy, done


def without_tokens(text: str) -> str:
    """The text without the control tokens of the usual tokenizers."""
    return _TOKENS.sub("", text)


def masked(text: str, kinds: frozenset[str], sign: str | None = None) -> str:
    """The text with secrets or personal data of these kinds replaced by their kind in brackets, or a sign."""
    pieces, last = [], 0
    for kind, start, end in found_in(text):
        if kind in kinds:
            pieces += [text[last:start], sign or MASKS.get(kind, "[SECRET]")]
            last = end
    return "".join([*pieces, text[last:]]) if pieces else text
