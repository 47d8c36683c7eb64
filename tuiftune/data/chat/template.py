"""A model's chat template: conversations as text, for training and as inference sends them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from tuiftune.data.chat.environment import BEGIN, END, clock, compile_template, marking
from tuiftune.data.chat.reasoning import thought
from tuiftune.data.example import Message
from tuiftune.errors import UserError
from tuiftune.fence.marks import Stage, at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

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

SENTINEL, THOUGHT = "\u2402tuiftune\u2403", "\u2402thought\u2403"
"""What stands for an answer and for its reasoning where a template is tried out."""

ADDRESS = " at 0x"  # in what Python writes of an object that isn't text
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
        self._compiled = compile_template(source, place)
        self.now = now
        self._parts = self._fields = False
        self._parts = self._wants_parts()
        self._fields = self._wants_fields()

    def render(self, messages: Sequence[Message], *, prompt: bool = False, **options: bool) -> str:
        """The conversation as text; with `prompt`, followed by what the template puts before an answer.
        `options` are the template's own, such as `enable_thinking`.

        UserError with the template's own words when it refuses the conversation.
        """
        at(Stage.TEMPLATE)
        turns = self.turns(messages)
        pinned = clock.set(self.now)
        try:
            text = self._compiled.render(
                messages=turns,
                add_generation_prompt=prompt,
                tools=None,
                documents=None,
                **self.special,
                **options,
            )
            if text.count(ADDRESS) > sum(message.content.count(ADDRESS) for message in messages):
                raise TemplateError("it writes the memory address of an object, which differs each time")
            return text
        except (TemplateError, TypeError, KeyError, ValueError, AttributeError, IndexError) as fault:
            said = (str(fault) or type(fault).__name__).splitlines()[0]
            raise UserError(
                f"the chat template rejects a conversation: {said}",
                place=self.place,
                remedy="find rows with unusual roles or messages: `tuiftune data inspect`",
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

    def turns(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Messages as the template takes them."""
        return [self._turn(message) for message in messages]

    def _turn(self, message: Message) -> dict[str, Any]:
        content, fields = message.content, {}
        if self._fields and message.role == "assistant" and (found := thought(content)):
            # `thinking` is what gpt-oss reads, `reasoning_content` what the others do
            content = found.answer.lstrip()
            fields = {"reasoning_content": found.reasoning, "thinking": found.reasoning}
        shown = [{"type": "text", "text": content}] if self._parts else content
        return {"role": message.role, "content": shown, **fields}

    def _wants_parts(self) -> bool:
        """Whether a message's text is only shown in a list of parts, as by templates of vision models."""
        for self._parts in (False, True):
            if SENTINEL in self._tried(Message("user", SENTINEL)):
                return self._parts
        return False

    def _wants_fields(self) -> bool:
        """Return True if reasoning is passed in a field of the message: where the template reads one, and
        would leave tags in the answer, in addition to its own.
        """
        if "reasoning_content" not in self.source and "thinking" not in self.source:
            return False
        messages = (
            Message("user", "question"),
            Message("assistant", f"<think>\n{THOUGHT}\n</think>\n\n{SENTINEL}"),
        )
        inline = self._tried(*messages)
        self._fields = True
        fields = self._tried(*messages)
        self._fields = False
        if THOUGHT not in fields or SENTINEL not in fields:
            return False
        return THOUGHT not in inline or inline.count("</think>") > fields.count("</think>")

    def _tried(self, *messages: Message) -> str:
        try:
            return self.render(messages)
        except UserError:
            return ""
