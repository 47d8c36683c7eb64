"""Which characters of a rendered conversation the assistant wrote, end of turn included.

Three ways, tried in this order: the template's own `{% generation %}` marks; the difference between
renderings of growing prefixes, used only where each is verified to be a prefix of the whole; and, for
templates that rewrite earlier turns, sentinels put in the place of the answers, used only where the whole is
reproduced to the character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.example import Message

Span = tuple[int, int]

GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as text, and the spans of characters that are learnt, in order."""

    text: str
    spans: tuple[Span, ...]


class Template:
    """A tokenizer's chat template. Renders conversations and finds the assistant's part of them."""

    def __init__(self, source: str, special_tokens: dict[str, Any], *, place: str = "") -> None:
        self.source = source
        self._special = {key: value for key, value in special_tokens.items() if isinstance(value, str)}
        self._place = place
        self._ends = tuple(sorted(set(self._special.values()), key=len, reverse=True))
        self.method = (
            "generation marks" if GENERATION.search(source) and self._marks_end_turns() else "prefixes"
        )

    def render(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        """The conversation as text; with `prompt`, followed by what the template puts before an answer."""
        return self._render(messages, prompt=prompt)[0]

    def learnt(self, messages: Sequence[Message], loss_on: str) -> Rendered:
        """The conversation with the spans to learn: every `assistant` turn, or the last one for `completion`.

        Turns whose source gave them weight 0 are left out. UserError where the spans can't be found with
        certainty.
        """
        if loss_on == "all":
            text = self.render(messages)
            return Rendered(text, ((0, len(text)),))
        turns = [index for index, message in enumerate(messages) if message.role == "assistant"]
        wanted = [
            index
            for index in (turns if loss_on == "assistant" else turns[-1:])
            if messages[index].weight != 0
        ]
        if self.method == "generation marks":
            text, marked = self._render(messages, marks=True)
            if len(marked) == len(turns):
                by_turn = dict(zip(turns, marked, strict=True))
                return Rendered(text, tuple(by_turn[index] for index in wanted))
        text = self.render(messages)
        return Rendered(text, tuple(self._span_of(text, messages, index) for index in wanted))

    def _span_of(self, text: str, messages: Sequence[Message], index: int) -> Span:
        span = self._by_prefixes(text, messages, index) or self._by_sentinels(text, messages, index)
        if span is None:
            raise UserError(
                "the chat template rewrites its turns, so answers can't be told from prompts",
                place=self._place,
                remedy="mark the answers with {% generation %} in the template, or set data.loss_on: all",
            )
        return span

    def _by_prefixes(self, text: str, messages: Sequence[Message], index: int) -> Span | None:
        before = self.render(messages[:index], prompt=True) if index else ""
        until = text if index + 1 == len(messages) else self.render(messages[: index + 1])
        if (
            not index
            or not text.startswith(before)
            or not text.startswith(until)
            or len(until) <= len(before)
        ):
            return None
        return self._without_trailing_space(text, (len(before), len(until)))

    def _by_sentinels(self, text: str, messages: Sequence[Message], index: int) -> Span | None:
        sentinel = "\u2402tuiftune\u2403"
        if sentinel in text:
            return None
        marked = [*messages[:index], type(messages[index])("assistant", sentinel), *messages[index + 1 :]]
        before, found, after = self.render(marked).partition(sentinel)
        content = messages[index].content
        for written in (content, content.strip()):
            if found and text == before + written + after:
                ending = self._end_of_turn(messages, index)
                end = len(before) + len(written)
                return (len(before), end + len(ending) if text.startswith(ending, end) else end)
        return None

    def _end_of_turn(self, messages: Sequence[Message], index: int) -> str:
        """What closes an assistant turn: the special tokens right after the answer when it is the last
        turn.
        """
        tail = self.render(messages[: index + 1]).rpartition(messages[index].content.strip())[2]
        ending = ""
        while closing := next((token for token in self._ends if tail.startswith(token)), None):
            ending, tail = ending + closing, tail[len(closing) :]
        return ending

    def _without_trailing_space(self, text: str, span: Span) -> Span:
        """Cut white space after an end-of-turn token: generation stops at the token and never gets there."""
        start, end = span
        bare = text[start:end].rstrip()
        return (start, start + len(bare)) if bare.endswith(self._ends) else span

    def _marks_end_turns(self) -> bool:
        """Whether the marks take in the token that ends a turn; if not, a model would never learn to stop."""
        from tuiftune.data.example import Message

        try:
            text, marked = self._render(
                [Message("user", "question"), Message("assistant", "answer")], marks=True
            )
        except UserError:
            return False
        if len(marked) != 1:
            return False
        rest = text[marked[0][1] :].lstrip()
        return not any(token and rest.startswith(token) for token in self._ends)

    def _render(
        self, messages: Sequence[Message], *, prompt: bool = False, marks: bool = False
    ) -> tuple[str, list[Span]]:
        from jinja2.exceptions import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            texts, indices = render_jinja_template(
                conversations=[turns],
                chat_template=self.source,
                add_generation_prompt=prompt,
                return_assistant_tokens_mask=marks,
                **self._special,
            )
        except TemplateError as fault:
            raise UserError(
                f"the chat template refuses a conversation: {str(fault).splitlines()[0]}",
                place=self._place,
                remedy="`tuiftune data inspect` shows which rows have unusual roles or turns",
            ) from None
        return str(texts[0]), [(int(start), int(end)) for start, end in indices[0]] if marks else []
