"""Three-word shingles of many texts as 64-bit hashes, computed over whole byte buffers at once.

A word is a run of letters, digits and underscores, lower case; each CJK character is a word of its own. A
text of one or two words has one shingle: itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from numpy.typing import NDArray

CHUNK = 1 << 22  # bytes of text hashed at once
_BASE = 0x9E3779B97F4A7C15  # odd, so that powers have inverses modulo 2⁶⁴
_WORD = np.zeros(256, dtype=bool)
_WORD[[*range(48, 58), *range(65, 91), 95, *range(97, 123), *range(128, 256)]] = True
_CJK_LEAD = np.zeros(256, dtype=bool)
_CJK_LEAD[0xE3:0xEA] = True


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    """base⁰ … baseⁿ⁻¹ modulo 2⁶⁴."""
    out = np.full(count, base, dtype=np.uint64)
    out[0] = 1
    return np.multiply.accumulate(out)


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: every input bit reaches every output bit."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


class Texts(Protocol):
    """Anything that hands out texts a slice at a time; a polars Series of strings does."""

    def __len__(self) -> int: ...

    def slice(self, offset: int, length: int) -> pl.Series: ...


def chunks(texts: Texts) -> Iterator[tuple[int, list[bytes]]]:
    """(position of the first text, lower-case texts as bytes), about CHUNK bytes at a time."""
    start, held, size = 0, list[bytes](), 0
    for piece in range(0, len(texts), 2048):
        for text in texts.slice(piece, 2048).str.to_lowercase().to_list():
            raw = (text or "").encode()
            held.append(raw)
            size += len(raw)
            if size >= CHUNK:
                yield start, held
                start, held, size = start + len(held), [], 0
    if held:
        yield start, held


class Shingler:
    """Keeps the tables of powers between chunks."""

    def __init__(self) -> None:
        self._forward = _powers(_BASE, 1)
        self._backward = _powers(pow(_BASE, -1, 1 << 64), 1)

    def _grow(self, count: int) -> None:
        if len(self._forward) < count:
            size = max(count, CHUNK * 5 // 4)
            self._forward = _powers(_BASE, size)
            self._backward = _powers(pow(_BASE, -1, 1 << 64), size)

    def shingles(self, texts: list[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """(hashes, index of the text each belongs to); repeated shingles are repeated."""
        joined = np.frombuffer(b" ".join(texts) + b" ", dtype=np.uint8)
        sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
        text_ends = np.cumsum(sizes)
        words, starts = self._words(joined)
        if not len(words):
            return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
        owner = np.searchsorted(text_ends, starts, side="right")
        return _of_words(words, owner)

    def _words(self, joined: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """(hash, start) of every word in a buffer."""
        self._grow(len(joined) + 1)
        inside = _WORD[joined]
        _punctuation(joined, inside)
        before = np.empty_like(inside)
        before[0] = False
        before[1:] = inside[:-1]
        starts = np.flatnonzero(inside & (~before | _CJK_LEAD[joined]))
        if not len(starts):
            return np.empty(0, dtype=np.uint64), starts
        # Bytes between words count as 0, so a segment from one start to the next holds just its word.
        terms = joined.astype(np.uint64)
        terms *= inside
        terms *= self._forward[: len(joined)]
        return mix(np.add.reduceat(terms, starts) * self._backward[starts]), starts


def _punctuation(joined: NDArray[np.uint8], inside: NDArray[np.bool_]) -> None:
    """Clears non-ASCII punctuation: U+0080–00BF, U+2000–2FFF, U+3000–303F."""
    for lead, second, length in ((0xC2, None, 2), (0xE2, None, 3), (0xE3, 0x80, 3), (0xEF, 0xBC, 3)):
        at = np.flatnonzero(joined == lead)
        if second is not None and len(at):
            at = at[joined[np.minimum(at + 1, len(joined) - 1)] == second]
        for step in range(length):
            inside[at + step] = False


def _of_words(
    words: NDArray[np.uint64], owner: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    one, two = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F)
    if len(words) >= 3:
        triple = words[:-2] * one + words[1:-1] * two + words[2:]
        whole = owner[:-2] == owner[2:]
        hashes, owners = triple[whole], owner[:-2][whole]
    else:
        hashes, owners = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    first = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))
    count = np.diff(np.concatenate((first, [len(owner)])))
    short = first[count < 3]
    if len(short):
        pair = count[count < 3] == 2
        second = np.where(pair, words[np.minimum(short + 1, len(words) - 1)], np.uint64(1))
        hashes = np.concatenate((hashes, words[short] * two + second * one))
        owners = np.concatenate((owners, owner[short]))
    return mix(hashes), owners
