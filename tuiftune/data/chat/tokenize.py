"""From a row to tokens and the mask of those that are learned.

The one code path of training, of the checks and of `data tokens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.data.chat.answer import Stripped, strip
from tuiftune.data.chat.reasoning import opened, without
from tuiftune.data.chat.spans import Chat, Rendered, without_reasoning
from tuiftune.data.chat.written import Written
from tuiftune.errors import UserError
from tuiftune.fence.marks import Stage, at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding, Tokenizer

    from tuiftune.data.chat.template import Template
    from tuiftune.data.chat.word_tokens import WordTokens
    from tuiftune.data.example import Example, Message


IGNORED = -100  # label of a token that is not trained


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row as the trainer sees it.

    `mask` is 1 on trained tokens; `length` and `learnt` count before the cut. `beyond` is what was cut off;
    `rendered` is the text with its spans, and `encoded` what the tokenizer made of it: in one, or of the
    inference prompt and of the answer.
    """

    ids: list[int]
    mask: list[int]
    length: int
    learnt: int
    beyond: list[int]
    beyond_mask: list[int]
    rendered: Rendered
    encoded: tuple[Encoding, ...]

    @property
    def text(self) -> str:
        return self.rendered.text

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """The characters of `text` that each token stands for, those beyond the cut included."""
        if len(self.encoded) == 1:
            return list(self.encoded[0].offsets)
        first, second = self.encoded
        at = self.rendered.start or 0
        return [*first.offsets, *((begin + at, end + at) for begin, end in second.offsets)]

    @property
    def truncated(self) -> bool:
        return self.length > len(self.ids)

    @property
    def lost(self) -> int:
        """Trained tokens lost by truncation."""
        return self.learnt - sum(self.mask) if self.beyond else 0

    @property
    def teaches(self) -> bool:
        """Whether anything is left to learn. The first token is never predicted, so it doesn't count."""
        return 1 in self.mask[1:]

    @property
    def trained(self) -> int:
        """Tokens in the loss."""
        return sum(self.mask)

    @property
    def labels(self) -> list[int]:
        ids, mask, labels, end = self.ids, self.mask, [IGNORED] * len(self.ids), 0
        while 1 in mask[end:]:
            start = mask.index(1, end)
            end = mask.index(0, start) if 0 in mask[start:] else len(mask)
            labels[start:end] = ids[start:end]
        return labels

    @property
    def parts(self) -> tuple[list[int], ...]:
        """What a trainer reads of it, column by column."""
        return self.ids, self.labels

    @property
    def sides(self) -> tuple[Tokens, ...]:
        """The sequences of this row: itself."""
        return (self,)


class RowTokenizer:
    """A tokenizer with its chat template, a length limit, and a choice of what is learned."""

    def __init__(
        self,
        backend: Tokenizer,
        template: Template,
        *,
        max_length: int,
        loss_on: str,
        own_template: bool = True,
        base_stops: Sequence[int] = (),
        reasoning: str = "keep",
    ) -> None:
        """`base_stops`: the token ids at which the base model's own generation settings stop; `reasoning`: as
        `data.reasoning` says.
        """
        if getattr(backend.model, "dropout", None):
            raise UserError(
                f"tokenizer.json sets dropout {backend.model.dropout:g}: a text gives other tokens each time",
                place=template.place,
                remedy='set "dropout" of its model to null',
            )
        backend.no_truncation()
        backend.no_padding()
        self.backend, self.template = backend, template
        self.max_length, self.loss_on, self.own_template = max_length, loss_on, own_template
        self.reasoning = reasoning
        self.written = Written(backend)
        self.words: WordTokens | None = None  # what many rows are tokenized with
        added = backend.get_added_tokens_decoder()
        self.eos = template.special.get("eos_token", "")
        self._begins = self._put_before()
        self._special = {token.content for token in added.values() if token.special} | {self.eos} - {""}
        self.base_stops = [token for token in base_stops if token in added or token == self._id(self.eos)]
        known = [self._text(token) for token in self.base_stops]
        tokens = {token.content for token in added.values()} | ({self.eos} - {""})
        self.chat = Chat(template, tokens, self.eos, known)

    def rows(self, examples: Sequence[Example], loss_on: str = "") -> list[Tokens]:
        """Tokenize some rows at once, with this object's own `loss_on` if none is given.

        UserError if the trained tokens of a row can't be told.
        """
        tokens: list[Tokens | None] = [None] * len(examples)
        for chat in (True, False):
            chosen = [
                index for index, example in enumerate(examples) if (example.messages is not None) is chat
            ]
            rendered = [self.render(examples[index], loss_on) for index in chosen]
            for index, row in zip(chosen, self.encoded(rendered, add_special_tokens=not chat), strict=True):
                tokens[index] = row
        return [row for row in tokens if row is not None]

    def render(self, example: Example, loss_on: str = "") -> Rendered:
        """Return a row's text and its trained spans; of a preference pair, the chosen side."""
        at(Stage.TEMPLATE, example.row)
        if example.messages is not None:
            messages = example.messages if example.chosen is None else example.sides()[0].messages
            return self.chat.learnt(messages or (), loss_on or self.loss_on, self.reasoning)
        text = example.text or ""
        if self._begins and text.startswith(self._begins):
            text = text.removeprefix(self._begins)  # the tokenizer puts it there itself
        if not text.endswith(self.eos):
            text += self.eos
        return Rendered(text, ((0, len(text)),))

    def asked(self, messages: Sequence[Message]) -> Sequence[Message]:
        """A conversation as it is asked: earlier answers without reasoning where rows are trained so."""
        return without_reasoning(messages, "drop") if self.reasoning in ("drop", "last") else messages

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that a conversation gives before an answer is generated."""
        text = self.template.render(self.asked(messages), prompt=True)
        return list(self.backend.encode(text, add_special_tokens=False).ids)

    def stop_tokens(self) -> list[int]:
        """Token ids that end an answer: what the template puts after one, the tokenizer's end of sequence,
        and what the base model stops at; none that an answer begins with.
        """
        ending = self.chat.ending
        texts = {*ending.stops, self.eos, *(self._text(token) for token in self.base_stops)}
        ids = {self._id(text) for text in texts if ending.may_end(text)}
        return sorted(token for token in ids if token is not None)

    def answer(self, ids: Sequence[int]) -> Stripped:
        """Generated tokens, up to their end, as the answer that is compared with a reference."""
        stops = set(self.stop_tokens())
        until = next((place for place, token in enumerate(ids) if token in stops), len(ids))
        raw = self.backend.decode(list(ids[:until]), skip_special_tokens=False)
        plain = self.backend.decode(list(ids[:until]), skip_special_tokens=True)
        return strip(raw, plain, self.chat.ending, self._special, ended=until < len(ids))

    def completion_lengths(self, examples: Sequence[Example]) -> list[tuple[int, int]]:
        """Tokens that a model writes for each row: of the answer itself, and of what stands around it
        (reasoning, channel marks, end of turn: at least 1).
        """
        rendered = [self.render(example) for example in examples]
        references = [without(example.reference).strip() for example in examples]
        if self.words is not None and (known := self.words.completion_lengths(rendered, references)):
            return known
        rows = self.encoded(rendered, add_special_tokens=False)
        answers = self.backend.encode_batch(references, add_special_tokens=False)
        found = []
        for row, answer in zip(rows, answers, strict=True):
            start, size = row.rendered.start, len(answer)
            written = size + 1 if start is None else sum(end > start for _, end in row.offsets)
            found.append((size, max(written - size, 1)))
        return found

    def encoded(self, rows: Sequence[Rendered], *, add_special_tokens: bool) -> list[Tokens]:
        """Tokenize rendered rows: conversations alone, text with what the tokenizer puts around it."""
        if not rows:
            return []
        at(Stage.TOKENIZER, 0)
        made = self.backend.encode_batch([row.text for row in rows], add_special_tokens=add_special_tokens)
        return [
            self._cut(row, self._apart(row, encoded), whole=not add_special_tokens)
            for row, encoded in zip(rows, made, strict=True)
        ]

    @property
    def opens_reasoning(self) -> str:
        """The tag that the inference prompt leaves open; empty where it opens none."""
        pair = opened(self.chat.ending.extra)
        return pair[0] if pair else ""

    def _put_before(self) -> str:
        """The token that the tokenizer itself puts before a text; "" if none."""
        bos = self.template.special.get("bos_token", "")
        ids = self.backend.encode("", add_special_tokens=True).ids
        return bos if bos and ids and ids[0] == self._id(bos) else ""

    def _id(self, text: str) -> int | None:
        return self.backend.token_to_id(text) if text else None

    def _text(self, token: int) -> str:
        return str(self.backend.id_to_token(token) or "")

    def _apart(self, row: Rendered, encoded: Encoding) -> tuple[Encoding, ...]:
        """The row's tokens; those of the prompt by themselves where one would reach into the answer, for
        inference sends the prompt alone. Only where both together stand for the same text.
        """
        if not row.start or row.start >= len(row.text):
            return (encoded,)
        index = encoded.char_to_token(row.start)
        chars = encoded.token_to_chars(index) if index is not None else None
        if chars is None or chars[0] >= row.start:
            return (encoded,)
        parts = self.backend.encode_batch(
            [row.text[: row.start], row.text[row.start :]], add_special_tokens=False
        )
        joined = self.backend.decode([*parts[0].ids, *parts[1].ids], skip_special_tokens=False)
        same = joined == self.backend.decode(encoded.ids, skip_special_tokens=False)
        return tuple(parts) if same else (encoded,)

    def _cut(self, row: Rendered, encoded: tuple[Encoding, ...], *, whole: bool) -> Tokens:
        if len(encoded) == 1:
            ids, mask = encoded[0].ids, learnt_mask(encoded[0], row, whole=whole)
        else:
            first, second = encoded
            at = row.start or 0
            ids = [*first.ids, *second.ids]
            earlier = [span for span in row.spans if span[0] < at]
            rest = [(max(a - at, 0), b - at) for a, b in row.spans if b > at]
            mask = _mask(first.offsets, earlier) + _mask(second.offsets, rest)
        most = self.max_length
        if len(ids) <= most:
            return Tokens(ids, mask, len(ids), sum(mask), [], [], row, encoded)
        return Tokens(ids[:most], mask[:most], len(ids), sum(mask), ids[most:], mask[most:], row, encoded)


def learnt_mask(encoded: Encoding, row: Rendered, *, whole: bool) -> list[int]:
    """1 for each token that begins inside a span. A token that begins before one belongs to the prompt.

    Only the tokens at the ends of the spans are looked at. `whole`: every token stands for some of the text,
    none was added around it; else, and where an end lies in characters without a token, all are looked at.
    """
    count = len(encoded)
    mask = [0] * count
    for start, end in row.spans:
        first = _token_from(encoded, start) if whole else None
        last = count if end == len(row.text) else _token_from(encoded, end)
        if first is None or last is None:
            return _mask(encoded.offsets, row.spans)
        mask[first:last] = [1] * (last - first)
    return mask


def _token_from(encoded: Encoding, character: int) -> int | None:
    """The first token that begins at a character or after it; None where no token holds the character."""
    index = encoded.char_to_token(character)
    if index is None:
        return None
    begins = encoded.token_to_chars(index)
    return index if begins is None or begins[0] >= character else index + 1


def _mask(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int]:
    """The same from the characters of every token. Between two trained tokens of a span, tokens that stand
    for no character (some tokenizers count blanks to no token) are learned too.
    """
    mask = [0] * len(offsets)
    for left, right in spans:
        inside = [
            index for index, (start, end) in enumerate(offsets) if end > start >= left and start < right
        ]
        if inside:
            first, last = inside[0], inside[-1] + 1
            mask[first:last] = [1] * (last - first)
    return mask
