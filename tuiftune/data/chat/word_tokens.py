"""The tokens of a text put together from those of its words, each of which is tokenized once.

Byte-level BPE tokenizers split a text before they merge, and the expressions below never put a space behind
another character into one piece, unless more white space follows. Whatever stands before a space and a
character is therefore tokenized alike whatever follows, and the reverse. A word (with its space) is looked
up; only unknown ones are given to the tokenizer. Other tokenizers are left alone.

White space goes together where a text ends, and a text also ends where an added token begins, or a digit for
tokenizers that take digits out first: words that begin so are never parted from what stands before them.
"""

from __future__ import annotations

import itertools
import json
import re
import string
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import AddedToken, Tokenizer

    from tuiftune.data.chat.spans import Rendered

MOST_WORDS = 300_000  # that are remembered: about 200 bytes each
TOGETHER = 512  # unknown words that are tokenized as one text
LONGEST_WORD = 64  # characters of one that is remembered
# Alternatives of the expressions of GPT-2, SmolLM, Llama 3, Qwen, GPT-4o and their likes. In none of them a
# space follows another character, nor is anything but `(?!\S)` after white space looked at beyond the piece.
_CONTRACTIONS = {
    r"'s|'t|'re|'ve|'m|'ll|'d",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    r"(?i:[sdmt]|ll|ve|re)",
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
}
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_LETTERS = {
    r" ?\p{L}+",
    r"[^\r\n\p{L}\p{N}]?\p{L}+",
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+",
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*",
}
_NUMBERS = {r" ?\p{N}+", r"\p{N}", r"\p{N}{1,3}", r"\p{N}+"}
_OTHERS = {
    r" ?[^\s\p{L}\p{N}]+",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
}
_BLANKS = ([r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"], [r"\s+(?!\S)", r"\s+"])
_DIGITS = {r"\p{N}", r"\p{N}{1,3}"}  # of a splitting before the main one
# White space of any version of Unicode that `str.isspace` doesn't count, and what has no width.
_DOUBTFUL = frozenset("\u180e\u200b\u2060\ufeff\x00")
_AFTER_LINE = re.compile(r"(?<=\n)(?=[^\s/\u180e\u200b\u2060\ufeff\x00])")  # GPT-4o joins "/" to a line end
_PROBES = (
    "I've told you she'd say it's Bob's; WE'LL SEE, don't  stop\n\n- a 1 12 1234 3.14 (x==1) {y}\t\tz \n w ",
    "Ünïcödé straße Ελλάδα Привет 你好 世界 नमस्ते سلام ไทย 🚀 “q” — … é e\u0301 \u0301x \u00a0 x\u3000y",
    " a  b   c \r\n d\n e <|im_end|>\n<|x|> f",
    "a  1   1234 \n 1\t\t 12 \u3000 ٣",
)

_Row = list["bytes | None"]


@dataclass(slots=True)
class _Asked:
    """What is to be tokenized, and the places that it goes to; rows with pieces to be joined."""

    unknown: dict[str, list[tuple[_Row, int]]] = field(default_factory=dict)
    pieces: list[tuple[_Row, int, _Row]] = field(default_factory=list)


class WordTokens:
    """Words of texts and their tokens, as many as are remembered.

    `sizes` are the bytes of text that each token stands for, by id; `blank` marks those of spaces alone, and
    `lead` counts the spaces at the beginning of each, where the tokenizer leaves spaces out of its offsets;
    `around` are the tokens put before and after a text.
    """

    sizes: NDArray[np.int32]
    lead: NDArray[np.int32] | None
    around: tuple[list[int], list[int]] | None

    def __init__(self, backend: Tokenizer, document: dict[str, Any]) -> None:
        """`document` is the content of its tokenizer.json, which `suits`."""
        self._backend = backend
        self._words: dict[str, bytes] = {}  # each stands behind a space
        self._pieces: dict[str, bytes] = {}
        added = list(backend.get_added_tokens_decoder().values())
        self._added = tuple(one.content for one in added)
        self._firsts = {content[:1] for content in self._added}
        self._digits = _takes_digits(document["pre_tokenizer"])
        self._normalizer = backend.normalizer
        apart = sorted((one.content for one in added if not one.normalized), key=len, reverse=True)
        self._apart = re.compile("(" + "|".join(map(re.escape, apart)) + ")") if apart else None
        self._lines = _ends_lines(document["pre_tokenizer"])
        self.sizes, lead = _sizes(backend, added)
        self.lead = lead if _trims(document["post_processor"]) else None
        self.around = _around(backend)

    @classmethod
    def of(cls, backend: Tokenizer) -> WordTokens | None:
        """None where a tokenizer is not known to split texts at spaces."""
        if backend.encode_special_tokens:
            return None
        document = json.loads(backend.to_str())  # raw: of a tokenizer that was loaded
        if not suits(document):
            return None
        made = cls(backend, document)
        contents = [one["content"] for one in document["added_tokens"][:8]]
        texts = [*_PROBES, *(f"a {one} b{one}c  {one}\n {one}   {one}" for one in contents)]
        plain = backend.encode_batch(texts, add_special_tokens=False)
        if [array("i", one.ids).tobytes() for one in plain] != made.encode(texts):
            return None
        return made

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """The token ids of each text, 4 bytes each, with nothing added around it."""
        words, rows = self._words.get, list[_Row]()
        asked = _Asked()
        for text in texts:
            parts = text.split(" ")
            row: _Row = list(map(words, parts))
            row[0] = None  # it has no space before it
            for low, high in self._gaps(parts, row):
                row[low:high] = [b""] * (high - low)
                chunk = " ".join(parts[low:high])
                self._look_up(f" {chunk}" if low else chunk, row, low, asked)
            rows.append(row)
        if asked.unknown:
            self._learn(asked.unknown)
        for row, at, pieces in asked.pieces:
            row[at] = b"".join(cast("list[bytes]", pieces))
        return [b"".join(cast("list[bytes]", row)) for row in rows]

    def completion_lengths(
        self, rows: Sequence[Rendered], references: Sequence[str]
    ) -> list[tuple[int, int]] | None:
        """`RowTokenizer.completion_lengths` of rendered rows; None where that needs offsets."""
        import numpy as np

        if self.lead is not None:
            return None
        found = []
        tokens, answers = self.encode([row.text for row in rows]), self.encode(references)
        for row, own, answer in zip(rows, tokens, answers, strict=True):
            size = len(answer) // 4
            if row.start is None:
                found.append((size, 1))
                continue
            reached = np.cumsum(self.sizes[np.frombuffer(own, dtype=np.int32)], dtype=np.int64)
            begins = len(row.text[: row.start].encode())
            before = int(np.searchsorted(reached, begins, side="right"))
            if not len(reached) or reached[-1] != len(row.text.encode()) or not self.as_is(row.text):
                return None
            if begins != (reached[before - 1] if before else 0):
                return None  # a token reaches over the end of the prompt
            found.append((size, max(len(reached) - before - size, 1)))
        return found

    def as_is(self, text: str) -> bool:
        """Whether a text's tokens stand for its own bytes; one that is normalized may grow and shrink."""
        return self._normalizer is None or text.isascii() or self._normalizer.normalize_str(text) == text

    def _look_up(self, chunk: str, row: _Row, at: int, asked: _Asked) -> None:
        """Put the tokens of a stretch of text into a row, now or when all that is unknown has been asked."""
        known = self._pieces.get(chunk)
        if known is not None:
            row[at] = known
            return
        pieces = [chunk] if self._apart is None else self._apart.split(chunk)
        if self._lines and "\n" in chunk:
            pieces = [line for piece in pieces for line in _AFTER_LINE.split(piece)]
        if len(pieces) == 1:
            asked.unknown.setdefault(chunk, []).append((row, at))
        else:
            held: _Row = []
            for piece in filter(None, pieces):
                known = self._words.get(piece[1:]) if self._joins(piece) else None
                known = known or self._pieces.get(piece)
                if known is None:
                    asked.unknown.setdefault(piece, []).append((held, len(held)))
                held.append(known)
            asked.pieces.append((row, at, held))

    def _gaps(self, parts: list[str], row: list[Any]) -> Iterator[tuple[int, int]]:
        """The stretches of parts whose tokens are not known, from one sure boundary to the next."""
        at, count = 0, len(parts)
        while True:
            try:
                low = row.index(None, at)
            except ValueError:
                return
            high = low + 1
            while low and not self._begins(parts[low]):
                low -= 1
            while high < count and not self._begins(parts[high]):
                high += 1
            yield low, high
            at = high

    def _joins(self, text: str) -> bool:
        """Whether a text is tokenized alike after any other."""
        return text[:1] == " " and self._begins(text[1:])

    def _begins(self, part: str) -> bool:
        """Whether the space before it surely is no part of white space that stands there."""
        character = part[:1]
        if character == "" or character.isspace() or character in _DOUBTFUL:
            return False
        if character in self._firsts and part.startswith(self._added):
            return False
        return not self._digits or character.isalpha() or character in string.punctuation

    def _learn(self, unknown: dict[str, list[tuple[_Row, int]]]) -> None:
        room = MOST_WORDS - len(self._words) - len(self._pieces)
        for (text, places), tokens in zip(unknown.items(), self._tokenized(list(unknown)), strict=True):
            for row, at in places:
                row[at] = tokens
            if room > 0 and len(text) <= LONGEST_WORD:
                room -= 1
                word = text[1:]
                if self._joins(text) and " " not in word:
                    self._words[word] = tokens
                else:
                    self._pieces[text] = tokens

    def _tokenized(self, texts: list[str]) -> list[bytes]:
        """The tokens of each text. Words are given to the tokenizer one after another, as one text: alone
        each would take three times as long.
        """
        alone, joined = list[str](), list[str]()
        for text in texts:
            apart = len(text) > LONGEST_WORD or not self._joins(text) or not self.as_is(text)
            (alone if apart else joined).append(text)
        groups = [joined[at : at + TOGETHER] for at in range(0, len(joined), TOGETHER)]
        asked = [*alone, *map("".join, groups)]
        made = [
            array("i", one.ids).tobytes()
            for one in self._backend.encode_batch_fast(asked, add_special_tokens=False)
        ]
        found = dict(zip(alone, made[: len(alone)], strict=True))
        for group, tokens in zip(groups, made[len(alone) :], strict=True):
            found.update(zip(group, self._parted(group, tokens), strict=True))
        return [found[text] for text in texts]

    def _parted(self, words: list[str], tokens: bytes) -> list[bytes]:
        """Tokens of words one after another, word by word."""
        import numpy as np

        reached = np.cumsum(self.sizes[np.frombuffer(tokens, dtype=np.int32)], dtype=np.int64)
        wanted = np.cumsum([len(word.encode()) for word in words])
        ends = np.searchsorted(reached, wanted)
        if not len(reached) or reached[-1] != wanted[-1] or not np.array_equal(reached[ends], wanted):
            apart = self._backend.encode_batch_fast(words, add_special_tokens=False)
            return [array("i", one.ids).tobytes() for one in apart]
        bounds = [0, *((ends + 1) * 4).tolist()]
        return [tokens[a:b] for a, b in itertools.pairwise(bounds)]


def suits(document: dict[str, Any]) -> bool:
    """Whether a tokenizer splits before each single space between other characters, and counts bytes."""
    from tokenizers.pre_tokenizers import ByteLevel

    model, added = document["model"], document["added_tokens"]
    return (
        model.get("type") == "BPE"
        and not model.get("dropout")
        and not any(model.get(key) for key in ("continuing_subword_prefix", "end_of_word_suffix"))
        and (document["normalizer"] is None or document["normalizer"] == {"type": "NFC"})
        and not any(one["lstrip"] or one["rstrip"] or one["single_word"] for one in added)
        and not any(map(str.isspace, "".join(one["content"] for one in added)))
        and not any("Ġ" in one["content"] for one in added)  # read as a space where offsets are trimmed
        and not (document["normalizer"] and any(one["normalized"] for one in added))  # found in another text
        and _splits(document["pre_tokenizer"])
        and _trims(document["post_processor"]) is not None
        and model["vocab"].keys() >= set(ByteLevel.alphabet())
    )


def _splits(found: dict[str, Any] | None) -> bool:
    if found is None:
        return False
    *before, last = found["pretokenizers"] if found["type"] == "Sequence" else [found]
    if last["type"] != "ByteLevel" or last["add_prefix_space"]:
        return False
    stages = [_expression(one) for one in before]
    if None in stages:
        return False
    if not last["use_regex"] and (not stages or not _known_expression(stages.pop() or "")):
        return False
    return all(stage in _DIGITS for stage in stages)


def _ends_lines(found: dict[str, Any]) -> bool:
    """Whether no piece goes on after the last of some line ends."""
    splits = found.get("pretokenizers", ())
    said = [_expression(one) for one in splits if one["type"] == "Split"]
    return bool(said) and (said[-1] or "").endswith("|".join(_BLANKS[0])) and not splits[-1]["use_regex"]


def _takes_digits(found: dict[str, Any]) -> bool:
    """Whether digits are taken out before the main splitting, which then doesn't see what follows."""
    return any(_expression(one) in _DIGITS for one in found.get("pretokenizers", ()))


def _expression(found: dict[str, Any]) -> str | None:
    """What a splitting in pieces matches; None for any other."""
    if found["type"] == "Digits":
        return r"\p{N}" if found["individual_digits"] else None
    if found["type"] != "Split" or found["behavior"] != "Isolated" or found["invert"]:
        return None
    said = found["pattern"].get("Regex")
    return said if isinstance(said, str) else None


def _known_expression(said: str) -> bool:
    """Whether it is made of known alternatives that leave no character out."""
    said = said.replace(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|", "|")  # after letters, as GPT-4o has it
    for start in sorted(_CONTRACTIONS, key=len, reverse=True):
        if said.startswith(start + "|"):
            said = said[len(start) + 1 :]
            break
    alternatives = said.split("|")
    blanks = next((one for one in _BLANKS if alternatives[-len(one) :] == one), None)
    if blanks is None:
        return False
    rest = set(alternatives[: -len(blanks)])
    kinds = (_LETTERS, _NUMBERS, _OTHERS)
    return rest <= set().union(*kinds) and all(rest & kind for kind in kinds)


def _trims(found: dict[str, Any] | None) -> bool | None:
    """Whether spaces are left out of the offsets; None where more may be done to a text."""
    if found is None or found["type"] == "TemplateProcessing":
        return False
    if found["type"] == "ByteLevel":
        return None if found["add_prefix_space"] and found["trim_offsets"] else bool(found["trim_offsets"])
    if found["type"] != "Sequence":
        return None
    every = [_trims(one) for one in found["processors"]]
    return None if None in every else any(every)


def _sizes(backend: Tokenizer, added: Sequence[AddedToken]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Bytes of text a token, by id, and spaces at its beginning."""
    import numpy as np

    vocabulary = backend.get_vocab()
    sizes = np.zeros(max(vocabulary.values(), default=0) + 1, dtype=np.int32)
    lead = np.zeros_like(sizes)
    as_written = {one.content for one in added}
    for token, number in vocabulary.items():  # of the others each character stands for a byte
        own = token in as_written
        sizes[number] = len(token.encode("utf-8", "surrogatepass")) if own else len(token)
        lead[number] = len(token) - len(token.lstrip(None if own else "Ġ"))
    return sizes, lead


def _around(backend: Tokenizer) -> tuple[list[int], list[int]] | None:
    """What is put before and after a text; None where that can't be told."""
    found = []
    for text in ("a", "b c"):
        plain = backend.encode(text, add_special_tokens=False).ids
        whole = backend.encode(text, add_special_tokens=True).ids
        at = next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), None)
        if at is None:
            return None
        found.append((whole[:at], whole[at + len(plain) :]))
    return found[0] if found[0] == found[1] else None
