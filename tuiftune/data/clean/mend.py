"""Texts repaired one by one: line ends, control characters, wrong decoding, control tokens, secrets."""

from __future__ import annotations

import re
import unicodedata

from tuiftune.data.checks.encoding import MOJIBAKE
from tuiftune.data.checks.secrets import MASKS, found_in
from tuiftune.data.checks.special_tokens import COMMON

# Windows-1252 with its five holes filled, so that every byte has a character and back.
_HOLES = {0x81: "\x81", 0x8D: "\x8d", 0x8F: "\x8f", 0x90: "\x90", 0x9D: "\x9d"}
_BYTES = {
    (_HOLES[byte] if byte in _HOLES else bytes([byte]).decode("cp1252")): byte for byte in range(128, 256)
}
_BYTES |= {chr(byte): byte for byte in range(0x80, 0xA0)}
_RUN = re.compile("[" + "".join(re.escape(character) for character in _BYTES) + "]{2,}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ANSI = re.compile("\x1b(?:\\[[0-9;?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\-_])")
_SUSPECT = re.compile(MOJIBAKE)
_INVISIBLE = re.compile("[\ufeff\u200b\u2060]")
_TOKENS = re.compile("|".join(re.escape(token) for token in sorted(COMMON, key=len, reverse=True)))
_BLANK_HEAD = re.compile(r"\A\s*\n")

# What a cheap scan (Rust's regex) must find for `mended` to have anything to do.
SUSPECT = f"{MOJIBAKE}|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\ufeff\u200b\u2060]|^\\s|\\s$|[\u0300-\u036f]"


def mended(text: str) -> tuple[str, list[str]]:
    """(text, what was done): encoding, control characters, line ends and composed letters."""
    done = []
    out = text
    if _SUSPECT.search(out):
        decoded = decoded_right(out)
        if decoded != out:
            done.append("encoding repaired")
            out = decoded
    plain = _CONTROL.sub(
        "", _ANSI.sub("", out.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n"))
    )
    plain = _INVISIBLE.sub("", plain)
    if plain != out.replace("\r\n", "\n"):
        done.append("control characters removed")
    # Inner spaces stay (Markdown's line breaks), and so does the indentation of code that opens a text.
    tidy = _BLANK_HEAD.sub("", plain).rstrip()
    if "\n" not in tidy:
        tidy = tidy.lstrip()
    tidy = unicodedata.normalize("NFC", tidy)
    if tidy != plain or (plain != out and "control characters removed" not in done):
        done.append("spaces and line ends tidied")
    return tidy, done


def decoded_right(text: str) -> str:
    """UTF-8 that was read as Windows-1252 (once or twice) read again as UTF-8; other text stays."""
    for _ in range(3):
        again = _RUN.sub(_decoded_run, text)
        if again == text:
            break
        text = again
    return text


def _decoded_run(match: re.Match[str]) -> str:
    raw = bytes(_BYTES[character] for character in match[0])
    out, at = [], 0
    while at < len(raw):
        length = (
            2
            if 0xC2 <= raw[at] < 0xE0
            else 3
            if 0xE0 <= raw[at] < 0xF0
            else 4
            if 0xF0 <= raw[at] < 0xF5
            else 1
        )
        piece = raw[at : at + length]
        try:
            character = piece.decode("utf-8") if length > 1 else match[0][at]
        except UnicodeDecodeError:
            character, length = match[0][at], 1
        out.append(character)
        at += length
    return "".join(out)


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
