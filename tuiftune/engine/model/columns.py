"""Rows of one sequence tokenized by whole columns: what `RowTokenizer.rows` gives, without a list a row."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuiftune.data.chat.tokenize import IGNORED
from tuiftune.data.chat.written import CODE
from tuiftune.fence.marks import Stage, at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tuiftune.data.chat.spans import Rendered
    from tuiftune.data.chat.tokenize import RowTokenizer
    from tuiftune.data.chat.word_tokens import WordTokens
    from tuiftune.data.example import Example

NUMBER = 8  # bytes
EQUAL, LONG = "sides_equal", "prompt_long"  # rows that are left out for a reason of their own
REASONS = ("reasoning_kept", "reasoning_cut", "answers_rewritten", "messages_dropped", "reasoning_late")


class Packed(NamedTuple):
    """Some tokenized rows together, those left out that teach nothing.

    `stream` is what is digested of them (see `training/shards.py`), `sizes` how long each row's columns are,
    `keys` a hash of each row's tokens: 8 bytes a number. They are made of so many `examples`; `told` counts
    what the template did.
    """

    stream: bytes
    sizes: bytes
    keys: bytes
    examples: int
    rows: int
    cut: int
    lost: int
    dropped: int
    told: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Flat:
    """Tokens of rows one after another, 1 where a token is trained, and where each row begins (and the last
    ends).
    """

    ids: NDArray[np.int32]
    mask: NDArray[np.int8]
    bounds: NDArray[np.int64]


def packed(tokenizer: RowTokenizer, words: WordTokens, examples: Sequence[Example], cut: str) -> Packed:
    """The rows of a stage whose rows are one sequence each, `truncated` or `split` at max_length.

    UserError as `RowTokenizer.rows`.
    """
    rendered: list[Rendered | None] = [None] * len(examples)
    for chat in (True, False):
        for index, example in enumerate(examples):
            if (example.messages is not None) is chat:
                rendered[index] = tokenizer.render(example)
    rows = [row for row in rendered if row is not None]
    chats = np.array([example.messages is not None for example in examples], dtype=bool)
    flat = _tokenized(tokenizer, words, rows, chats)
    length = tokenizer.max_length
    counts = np.diff(flat.bounds)
    trained = np.concatenate([[0], np.cumsum(flat.mask, dtype=np.int64)])  # tokens before each
    if cut == "split":
        pieces = -(-counts // length)
        owner = np.repeat(np.arange(len(rows)), pieces)
        first = np.cumsum(pieces) - pieces
        begins = flat.bounds[:-1][owner] + (np.arange(len(owner)) - first[owner]) * length
        ends = np.minimum(begins + length, flat.bounds[1:][owner])
        truncated = lost = 0
    else:
        owner, begins = np.arange(len(rows)), flat.bounds[:-1]
        ends = np.minimum(begins + length, flat.bounds[1:])
        truncated = int((counts > length).sum())
        lost = int((trained[flat.bounds[1:]] - trained[ends]).sum())
    teaches = trained[ends] > trained[np.minimum(begins + 1, ends)]  # the first token is never predicted
    told = _told(tokenizer, rows, flat, owner)
    stream, keys = _stream(flat, begins[teaches], ends[teaches])
    sizes = np.repeat(ends[teaches] - begins[teaches], 2)
    kept = int(teaches.sum())
    return Packed(
        stream,
        sizes.tobytes(),
        keys,
        len(examples),
        kept,
        truncated,
        lost,
        len(owner) - kept,
        told,
    )


def reasons(rendered: Rendered) -> Iterator[str]:
    """What a template did to a row."""
    done = (
        rendered.kept and not rendered.late,
        rendered.cut,
        rendered.rewritten,
        rendered.dropped,
        rendered.late,
    )
    return (code for code, happened in zip(REASONS, done, strict=True) if happened)


def changed(characters: Iterable[str]) -> list[str]:
    """Return the code of a row by the first character that its tokens do not stand for, of each side."""
    return next(([f"{CODE} {one}"] for one in characters if one), [])


def _told(
    tokenizer: RowTokenizer, rows: Sequence[Rendered], flat: _Flat, owner: NDArray[np.int64]
) -> dict[str, int]:
    pieces = np.bincount(owner, minlength=len(rows))
    told: Counter[str] = Counter()
    for index, (row, count) in enumerate(zip(rows, pieces.tolist(), strict=True)):
        if count:
            for code in reasons(row):
                told[code] += count
        if not tokenizer.written.knows(row.text):
            ids = flat.ids[flat.bounds[index] : flat.bounds[index + 1]].tolist()
            told.update(changed([tokenizer.written.changed_in(row.text, ids)]))
    return dict(told)


def _tokenized(
    tokenizer: RowTokenizer, words: WordTokens, rows: Sequence[Rendered], chats: NDArray[np.bool_]
) -> _Flat:
    at(Stage.TOKENIZER, 0)
    made = words.encode([row.text for row in rows])
    bounds = np.concatenate([[0], np.cumsum([len(one) // 4 for one in made], dtype=np.int64)])
    ids = np.frombuffer(b"".join(made), dtype=np.int32)
    mask, sure = _learnt(words, ids, bounds, rows, chats)
    around = words.around
    if around is None:
        sure &= chats
    plain = np.flatnonzero(~sure)
    wrapped = around is not None and any(around) and not chats.all()
    if not len(plain) and not wrapped:
        return _Flat(ids, mask, bounds)
    parts = [(ids[a:b], mask[a:b]) for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
    if wrapped:
        assert around is not None
        left, right = (np.array(one, dtype=np.int32) for one in around)
        none = np.zeros_like
        for row in np.flatnonzero(~chats & sure).tolist():
            own, learnt = parts[row]
            parts[row] = (
                np.concatenate([left, own, right]),
                np.concatenate([none(left, np.int8), learnt, none(right, np.int8)]),
            )
    for chat in (True, False):
        chosen = [row for row in plain.tolist() if bool(chats[row]) is chat]
        made_apart = tokenizer.encoded([rows[row] for row in chosen], add_special_tokens=not chat)
        for row, one in zip(chosen, made_apart, strict=True):
            parts[row] = (
                np.array([*one.ids, *one.beyond], dtype=np.int32),
                np.array([*one.mask, *one.beyond_mask], dtype=np.int8),
            )
    return _Flat(
        np.concatenate([own for own, _ in parts]),
        np.concatenate([learnt for _, learnt in parts]),
        np.concatenate([[0], np.cumsum([len(own) for own, _ in parts], dtype=np.int64)]),
    )


def _learnt(
    words: WordTokens,
    ids: NDArray[np.int32],
    bounds: NDArray[np.int64],
    rows: Sequence[Rendered],
    chats: NDArray[np.bool_],
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """1 for each trained token, and for which rows that is sure: `tokenize.learnt_mask`, from the bytes that
    tokens stand for.
    """
    sizes = words.sizes[ids]
    reached = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])  # bytes before each token
    offsets = reached[bounds]  # … and before each row
    texts = [row.text for row in rows]
    ascii_ = [text.isascii() for text in texts]
    lengths = np.array(
        [len(text) if plain else len(text.encode()) for text, plain in zip(texts, ascii_, strict=True)],
        dtype=np.int64,
    )
    sure = (np.diff(offsets) == lengths) & (lengths > 0) & [words.as_is(text) for text in texts]
    asked = _Questions(offsets, reached, words.lead, ids)
    prompts, owners, froms, untils = list[tuple[int, int]](), list[int](), list[int](), list[int]()
    trims = words.lead is not None
    for index, row in enumerate(rows):
        text, plain = row.text, ascii_[index]
        if not chats[index]:
            sure[index] &= row.spans == ((0, len(text)),)
            continue
        if row.start and row.start < len(text):
            prompts.append((index, row.start if plain else len(text[: row.start].encode())))
            sure[index] &= not (trims and text[row.start] == " ")  # no token may hold it
        for start, end in row.spans:
            sure[index] &= not (trims and (text[start : start + 1] == " " or text[end : end + 1] == " "))
            owners.append(index)
            froms.append(start if plain else len(text[:start].encode()))
            untils.append(-1 if end == len(text) else end if plain else len(text[:end].encode()))
    # A token that reaches over the end of the prompt: the two are tokenized apart.
    owner, place = np.array(prompts, dtype=np.int64).reshape(-1, 2).T
    _, begins, found = asked.token(owner, place, sure)
    sure[owner[found & (begins < place)]] = False
    owner = np.array(owners, dtype=np.int64)
    place, until = np.array(froms, dtype=np.int64), np.array(untils, dtype=np.int64)
    first, begins, found = asked.token(owner, place, sure)
    first = first + (begins < place)
    sure[owner[~found]] = False
    open_ = until < 0
    last, begins, found = asked.token(owner, np.maximum(until, 0), sure)
    last = np.where(open_, bounds[1:][owner], last + (begins < until))
    sure[owner[~found & ~open_]] = False
    documents = np.flatnonzero(~chats & sure)
    if words.lead is not None and len(documents):  # spaces at an end are no trained token there
        blank = words.lead[ids] == sizes
        ends = blank[bounds[:-1][documents]] | blank[bounds[1:][documents] - 1]
        sure[documents[ends]] = False
        documents = documents[~ends]
    known = sure[owner] & (last > first)
    change = np.zeros(len(ids) + 1, dtype=np.int32)
    np.add.at(change, np.concatenate([first[known], bounds[:-1][documents]]), 1)
    np.add.at(change, np.concatenate([last[known], bounds[1:][documents]]), -1)
    return (np.cumsum(change)[:-1] > 0).astype(np.int8), sure


@dataclass(frozen=True, slots=True)
class _Questions:
    """Which token holds a byte of a row."""

    offsets: NDArray[np.int64]
    reached: NDArray[np.int64]
    lead: NDArray[np.int32] | None
    ids: NDArray[np.int32]

    def token(
        self, rows: NDArray[np.int64], places: NDArray[np.int64], sure: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """The first token that holds the byte, the byte of its row that it begins at, and whether there is
        such a token: `Encoding.char_to_token` and `token_to_chars`.
        """
        wanted = self.offsets[rows] + places
        token = np.searchsorted(self.reached, wanted, side="right") - 1
        found = sure[rows] & (wanted < self.offsets[rows + 1])
        token = np.where(found, token, 0)
        begins = self.reached[token] - self.offsets[rows]
        if self.lead is not None and len(self.ids):
            begins = begins + self.lead[self.ids[token]]
        return token, begins, found


def _stream(flat: _Flat, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[bytes, bytes]:
    """Each row's number of tokens, tokens and labels, and a hash of each row's tokens."""
    counts = ends - begins
    heads = np.cumsum(2 * counts + 1) - (2 * counts + 1)
    total = int((2 * counts + 1).sum())
    inside = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    source = np.repeat(begins, counts) + inside
    goal = np.repeat(heads + 1, counts) + inside
    ids = flat.ids[source].astype(np.int64)
    stream = np.empty(total, dtype=np.int64)
    stream[heads] = counts
    stream[goal] = ids
    stream[goal + np.repeat(counts, counts)] = np.where(flat.mask[source], ids, IGNORED)
    raw, keys = stream.tobytes(), []
    for head, count in zip(heads.tolist(), counts.tolist(), strict=True):
        part = raw[(head + 1) * NUMBER : (head + 1 + count) * NUMBER]
        keys.append(hashlib.blake2b(part, digest_size=NUMBER).digest())
    return raw, b"".join(keys)
