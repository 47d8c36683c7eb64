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

    from tuiftune.data.example import Example, Message


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row as the trainer sees it.

    `mask` is 1 on learnt tokens; `length` and `learnt` count before the cut. `beyond` is what was cut off;
    `offsets` are the characters of `text` that each token stands for, those beyond the cut included.
    """

    ids: list[int]
    mask: list[int]
    length: int
    learnt: int
    beyond: list[int]
    beyond_mask: list[int]
    text: str
    offsets: Sequence[tuple[int, int]]

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
        encoded = self.tokenizer(
            [row.text for row in rows],
            add_special_tokens=add_special_tokens,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        return [
            self._cut(ids, _mask(offsets, row.spans), row.text, offsets)
            for row, ids, offsets in zip(rows, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        ]

    def _cut(self, ids: list[int], mask: list[int], text: str, offsets: Sequence[tuple[int, int]]) -> Tokens:
        most = self.max_length
        return Tokens(ids[:most], mask[:most], len(ids), sum(mask), ids[most:], mask[most:], text, offsets)


def _mask(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int]:
    """1 for each token that begins inside a span. A token that begins before one belongs to the prompt."""
    mask, turn = [], 0
    for start, end in offsets:
        while turn < len(spans) and start >= spans[turn][1]:
            turn += 1
        mask.append(int(turn < len(spans) and end > start >= spans[turn][0]))
    return mask
