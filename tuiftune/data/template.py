"""The model's chat template, rendered without the trainer's libraries, in a sandbox."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import compress
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import jinja2
    from jinja2.parser import Parser

    from tuiftune.data.example import Example, Message

PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}### Assistant:\n"
    "{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}\n"
    "{% else %}### {{ message['role'] | capitalize }}:\n{{ message['content'] }}\n\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:\n{% endif %}"
)
"""For base models that come without a chat template, in training and wherever lengths are counted.

It needs no new tokens and marks the assistant's turns.
"""

# Private-use marks around what is learnt; taken out again after rendering.
BEGIN, END = "\ue0f0\ue0f1", "\ue0f1\ue0f0"


class _Generation(Extension):
    """`{% generation %}` … `{% endgeneration %}`: the assistant's own tokens."""

    tags = {"generation"}  # noqa: RUF012 - the name and kind jinja2 asks for

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_marked"), [], [], body).set_lineno(line)

    def _marked(self, caller: Any) -> str:
        return f"{BEGIN}{caller()}{END}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Text as the trainer will tokenise it, and the character spans that are learnt (no turn of weight 0)."""

    text: str
    learnt: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A compiled template. `marks_answers`: it has `{% generation %}`; `own`: it came with the model."""

    source: str
    compiled: jinja2.Template
    special: dict[str, str]
    marks_answers: bool
    own: bool

    def render(self, example: Example) -> Rendered:
        """Raises UserError with the row when the template refuses it."""
        if example.messages is None:
            text = example.text or ""
            return Rendered(text, ((0, len(text)),))
        messages = [self._message(message) for message in example.messages]
        switched = [message.weight != 0 for message in example.messages if message.role == "assistant"]
        if example.chosen is not None:
            messages.append(self._marked(example.chosen, "assistant"))
            switched.append(True)
        try:
            marked = self.compiled.render(
                messages=messages, add_generation_prompt=False, tools=None, documents=None, **self.special
            )
        except (TemplateError, TypeError, KeyError) as fault:
            raise UserError(
                f"the chat template refuses it: {fault}",
                place=f"{example.file}:{example.row}",
                remedy="check the roles",
            ) from None
        rendered = _unmark(marked)
        if not self.marks_answers or len(rendered.learnt) != len(switched):
            return rendered
        return replace(rendered, learnt=tuple(compress(rendered.learnt, switched)))

    def prompt(self, messages: tuple[Message, ...]) -> str:
        """What inference sends: the messages and the opening of the answer."""
        plain = [{"role": message.role, "content": message.content} for message in messages]
        marked = self.compiled.render(
            messages=plain, add_generation_prompt=True, tools=None, documents=None, **self.special
        )
        return _unmark(marked).text

    def _message(self, message: Message) -> dict[str, str]:
        if message.role == "assistant" and message.weight != 0:
            return self._marked(message.content, message.role)
        return {"role": message.role, "content": message.content}

    def _marked(self, content: str, role: str) -> dict[str, str]:
        return {"role": role, "content": content if self.marks_answers else f"{BEGIN}{content}{END}"}


def _unmark(marked: str) -> Rendered:
    if BEGIN not in marked:
        return Rendered(marked, ())
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    length = 0
    first, *rest = marked.split(BEGIN)
    pieces.append(first)
    length += len(first)
    for piece in rest:
        learnt, _, after = piece.partition(END)
        spans.append((length, length + len(learnt)))
        pieces += [learnt, after]
        length += len(learnt) + len(after)
    return Rendered("".join(pieces), tuple(spans))


def read_template(folder: Path) -> ChatTemplate:
    """The template of a local model directory, or the plain one where it has none. Raises UserError when it
    doesn't compile.
    """
    config: dict[str, Any] = {}
    place = folder / "tokenizer_config.json"
    if place.is_file():
        try:
            config = json.loads(place.read_text("utf-8"))
        except (ValueError, OSError) as fault:
            raise UserError(f"can't be read ({fault})", place=str(place)) from None
    source: Any = config.get("chat_template")
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        place, source = beside, beside.read_text("utf-8")
    if isinstance(source, list):
        named = {entry.get("name"): entry.get("template") for entry in source if isinstance(entry, dict)}
        source = named.get("default") or next(iter(named.values()), None)
    special = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = config.get(name)
        special[name] = value.get("content", "") if isinstance(value, dict) else (value or "")
    own = isinstance(source, str) and bool(source.strip())
    text = source if own else PLAIN_TEMPLATE
    return ChatTemplate(
        text,
        compile_template(text, str(place)),
        special,
        "{% generation" in text or "{%- generation" in text,
        own,
    )


def compile_template(source: str, place: str) -> jinja2.Template:
    """A template in the sandbox, with what the trainer's own environment offers."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **rest: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **rest)

    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    environment.filters["tojson"] = tojson
    try:
        return environment.from_string(source)
    except TemplateError as fault:
        raise UserError(f"the chat template doesn't compile: {fault}", place=place) from None
