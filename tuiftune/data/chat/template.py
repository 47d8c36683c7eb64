"""A model's chat template: conversations as text, for training and as inference sends them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from tuiftune.data.chat.environment import BEGIN, END, clock, compile_template, marking
from tuiftune.data.chat.reasoning import thought
from tuiftune.errors import UserError
from tuiftune.fence.marks import Stage, at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tuiftune.data.example import Message

Span = tuple[int, int]

PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}### Assistant:\n"
    "{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}\n"
    "{% else %}### {{ message['role'] | capitalize }}:\n{{ message['content'] }}\n\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:\n{% endif %}"
)
"""For base models that come without a chat template, in training and wherever lengths are counted.

It needs no new tokens and marks the assistant's turns.
"""

GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


class Template:
    """A compiled template with the special tokens that it may name.

    `now` pins the date that a template writes, so that a run renders its rows alike on every day.
    """

    def __init__(
        self, source: str, special: Mapping[str, Any], *, place: str = "", now: datetime | None = None
    ) -> None:
        self.source, self.place = source, place
        self.special = {key: value for key, value in special.items() if isinstance(value, str)}
        self.marks_answers = bool(GENERATION.search(source))
        # Where the template reads a field of its own and knows no tags, tags would end up in the answer.
        self._fields = "</think>" not in source and ("reasoning_content" in source or ".thinking" in source)
        self._compiled = compile_template(source, place)
        self._now = now

    def render(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        """The conversation as text; with `prompt`, followed by what the template puts before an answer.

        UserError with the template's own words when it refuses the conversation.
        """
        at(Stage.TEMPLATE)
        turns = [self._turn(message) for message in messages]
        pinned = clock.set(self._now)
        try:
            return self._compiled.render(
                messages=turns, add_generation_prompt=prompt, tools=None, documents=None, **self.special
            )
        except (TemplateError, TypeError, KeyError, ValueError, AttributeError, IndexError) as fault:
            said = (str(fault) or type(fault).__name__).splitlines()[0]
            raise UserError(
                f"the chat template refuses a conversation: {said}",
                place=self.place,
                remedy="`tuiftune data inspect` shows which rows have unusual roles or turns",
            ) from None
        finally:
            clock.reset(pinned)

    def marked(self, messages: Sequence[Message]) -> tuple[str, list[Span]]:
        """The conversation, and the spans that the template's `{% generation %}` blocks wrote."""
        token = marking.set(True)
        try:
            pieces = self.render(messages).split(BEGIN)
        finally:
            marking.reset(token)
        text, spans = pieces[0], []
        for piece in pieces[1:]:
            written, _, after = piece.partition(END)
            spans.append((len(text), len(text) + len(written)))
            text += written + after
        return text, spans

    def _turn(self, message: Message) -> dict[str, str]:
        if self._fields and message.role == "assistant" and (found := thought(message.content)):
            # `thinking` is what gpt-oss reads, `reasoning_content` what the others do
            fields = {"reasoning_content": found.reasoning, "thinking": found.reasoning}
            return {"role": message.role, "content": found.answer.lstrip(), **fields}
        return {"role": message.role, "content": message.content}
