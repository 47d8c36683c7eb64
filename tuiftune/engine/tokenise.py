"""From a row to tokens and the mask of those that are learnt.

The one code path of training and of `data tokens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.data.template import PLAIN_TEMPLATE
from tuiftune.engine.spans import Rendered, Template
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding

    from tuiftune.data.example import Example, Message


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row as the trainer sees it.

    `mask` is 1 on learnt tokens; `length` and `learnt` count before the cut. `beyond` is what was cut off;
    `encoded` is what the tokenizer made of `text`.
    """

    ids: list[int]
    mask: list[int]
    length: int
    learnt: int
    beyond: list[int]
    beyond_mask: list[int]
    text: str
    encoded: Encoding

    @property
    def offsets(self) -> Sequence[tuple[int, int]]:
        """The characters of `text` that each token stands for, those beyond the cut included."""
        return self.encoded.offsets

    @property
    def truncated(self) -> bool:
        return self.length > len(self.ids)

    @property
    def lost(self) -> int:
        """Learnt tokens that the cut took away."""
        return self.learnt - sum(self.mask)

    @property
    def teaches(self) -> bool:
        """Whether anything is left to learn. The first token is never predicted, so it doesn't count."""
        return any(self.mask[1:])

    @property
    def labels(self) -> list[int]:
        return [token if learnt else -100 for token, learnt in zip(self.ids, self.mask, strict=True)]


class Tokeniser:
    """A tokenizer with its chat template, a length limit, and a choice of what is learnt."""

    def __init__(self, tokenizer: Any, *, max_length: int, loss_on: str, place: str = "") -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(
                "the tokenizer has no fast form, so its tokens can't be traced to characters",
                place=place,
                remedy="convert it to tokenizer.json",
            )
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.loss_on = loss_on
        self.own_template = bool(tokenizer.chat_template)
        if not self.own_template:
            tokenizer.chat_template = PLAIN_TEMPLATE
        source = tokenizer.chat_template
        if isinstance(source, dict):
            source = source.get("default") or next(iter(source.values()))
        self.template = Template(source, dict(tokenizer.special_tokens_map), place=place)

    def rows(self, examples: Sequence[Example]) -> list[Tokens]:
        """Tokenise some rows at once. UserError where the learnt tokens of a row can't be told."""
        tokens: list[Tokens | None] = [None] * len(examples)
        for chat in (True, False):
            chosen = [
                index for index, example in enumerate(examples) if (example.messages is not None) is chat
            ]
            rendered = [self._render(examples[index]) for index in chosen]
            for index, row in zip(chosen, self._encode(rendered, add_special_tokens=not chat), strict=True):
                tokens[index] = row
        return [row for row in tokens if row is not None]

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that a conversation gives before an answer is generated."""
        text = self.template.render(messages, prompt=True)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def stop_tokens(self) -> list[int]:
        """Token ids that end an answer: the tokenizer's end of sequence, and what the template puts after
        an answer.
        """
        from tuiftune.data.example import Message

        ends = {self.tokenizer.eos_token_id} - {None}
        try:
            row = self.template.learnt(
                [Message("user", "question"), Message("assistant", "answer")], "completion"
            )
        except UserError:
            return sorted(ends)
        learnt = self._encode([row], add_special_tokens=False)[0]
        last = [token for token, on in zip(learnt.ids, learnt.mask, strict=True) if on][-1:]
        return sorted(ends | (set(last) & set(self.tokenizer.all_special_ids)))

    def _render(self, example: Example) -> Rendered:
        if example.messages is not None:
            return self.template.learnt(example.messages, self.loss_on)
        text = example.text or ""
        ending = self.tokenizer.eos_token or ""
        if not text.endswith(ending):
            text += ending
        return Rendered(text, ((0, len(text)),))

    def _encode(self, rows: Sequence[Rendered], *, add_special_tokens: bool) -> list[Tokens]:
        if not rows:
            return []
        # The backend itself: what the library's own call builds around it takes as long as half the encoding.
        backend = self.tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = bool(getattr(self.tokenizer, "split_special_tokens", False))
        texts = [row.text for row in rows]
        made = backend.encode_batch(texts, add_special_tokens=add_special_tokens)
        return [
            self._cut(row.text, encoded, learnt_mask(encoded, row, whole=not add_special_tokens))
            for row, encoded in zip(rows, made, strict=True)
        ]

    def _cut(self, text: str, encoded: Encoding, mask: list[int]) -> Tokens:
        most, ids = self.max_length, encoded.ids
        if len(ids) <= most:
            return Tokens(ids, mask, len(ids), sum(mask), [], [], text, encoded)
        return Tokens(ids[:most], mask[:most], len(ids), sum(mask), ids[most:], mask[most:], text, encoded)


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
    """The same from the characters of every token. Between two learnt tokens of a span, tokens that stand for
    no character (some tokenizers count blanks to no token) are learnt too.
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
