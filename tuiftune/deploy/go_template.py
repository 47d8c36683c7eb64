"""A chat template as Ollama writes them, derived from the model's own by what it renders.

Ollama's templates are Go's and cannot run Jinja. What stands around a message of each role is read out of a
rendered conversation; the result is taken only where it renders other conversations to the same text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.data.example import Message
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.data.chat.template import Template

MARKS = {"system": "Ssystem1S", "user": "Uuser1U", "assistant": "Aanswer1A"}
AFTER = "Uuser2U"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a template writes before and after each role's text, at its beginning, and before an answer.

    Attributes:
        default: what stands in place of a system message where there is none.
    """

    start: str
    system: tuple[str, str]
    default: str
    user: tuple[str, str]
    assistant: tuple[str, str]
    prompt: str

    def render(self, messages: Sequence[Message]) -> str:
        """What the Go template renders for a conversation whose answer is asked for."""
        text = self.start
        system = [one.content for one in messages if one.role == "system"]
        text += self.system[0] + system[0] + self.system[1] if system else self.default
        for one in messages:
            if one.role != "system":
                before, after = self.user if one.role == "user" else self.assistant
                text += before + one.content + after
        return text + self.prompt

    def go(self) -> str:
        """The Go template."""
        role = "{{{{ if eq .Role {0} }}}}{1}{{{{ .Content }}}}{2}{{{{ end }}}}"
        turns = "".join(
            role.format(json.dumps(name), escaped(before), escaped(after))
            for name, (before, after) in (("user", self.user), ("assistant", self.assistant))
        )
        system = f"{escaped(self.system[0])}{{{{ .System }}}}{escaped(self.system[1])}"
        other = f"{{{{ else }}}}{escaped(self.default)}" if self.default else ""
        return (
            f"{escaped(self.start)}{{{{ if .System }}}}{system}{other}{{{{ end }}}}"
            f"{{{{ range .Messages }}}}{turns}{{{{ end }}}}{escaped(self.prompt)}"
        )


def escaped(text: str) -> str:
    """Text as a Go template in a Modelfile takes it: what would end something is written as a Go string."""
    for mark in ("{{", "}}", '"""'):
        text = text.replace(mark, "\0" + mark.encode().hex() + "\0")
    pieces = text.split("\0")
    return "".join(
        piece if number % 2 == 0 else "{{ " + _quoted(bytes.fromhex(piece).decode()) + " }}"
        for number, piece in enumerate(pieces)
    )


def _quoted(text: str) -> str:
    """A Go string without three quotes in a row, and without braces that the template's own parser reads."""
    return '"' + "".join(f"\\x{ord(one):02x}" for one in text) + '"'


def derive(template: Template, start: str = "") -> Parts:
    """The parts of a chat template. `start`: what the file's own tokenizer writes first, such as BOS.

    UserError where the template does not write a conversation message by message.
    """
    parts = _parts(template)
    for messages in CONVERSATIONS:
        if parts.render(messages) != template.render(messages, prompt=True):
            raise UserError(
                "the chat template does not write every message of a role alike, as Ollama's have to",
                place="--to ollama",
                remedy="use --to gguf: llama.cpp runs the model's own template",
            )
    begin = parts.start.removeprefix(start) if start else parts.start
    return Parts(begin, parts.system, parts.default, parts.user, parts.assistant, parts.prompt)


CONVERSATIONS = tuple(
    [Message("system", "Be brief.")] * with_system
    + [
        Message("user" if place % 2 == 0 else "assistant", f'Text {place}: it\'s {{{{ x }}}} "quoted".')
        for place in range(length)
    ]
    for with_system in (0, 1)
    for length in (1, 3, 5)
)


def _parts(template: Template) -> Parts:
    bos = template.special.get("bos_token", "")
    if not template.render([Message("user", MARKS["user"])]).startswith(bos):
        bos = ""

    def rendered(*roles: str, prompt: bool = False) -> str:
        seen = [Message(role, MARKS.get(role, AFTER)) for role in roles]
        text = template.render(
            [replace(one, role="user") if one.role == AFTER else one for one in seen], prompt=prompt
        )
        return text.removeprefix(bos)

    bare = rendered("user")
    asked = rendered("user", prompt=True)
    told = rendered("user", "assistant", AFTER)
    with_system = rendered("system", "user")
    try:
        prompt = asked.removeprefix(bare)
        answer_before, rest = told.split(MARKS["user"])[1].split(MARKS["assistant"])
        between = rest.split(AFTER)[0]
        user_after = _common_start(bare.split(MARKS["user"])[1], answer_before)
        system_before, system_rest = with_system.split(MARKS["system"])
        before_user = bare.split(MARKS["user"])[0]
        user_before = _common_end(system_rest.split(MARKS["user"])[0], _common_end(between, before_user))
    except (ValueError, IndexError):
        raise UserError(
            "the chat template changes or leaves out what a message says",
            place="--to ollama",
            remedy="use --to gguf: llama.cpp runs the model's own template",
        ) from None
    start = _common_start(system_before, before_user.removesuffix(user_before))
    return Parts(
        start=bos + start,
        system=(
            system_before.removeprefix(start),
            system_rest.split(MARKS["user"])[0].removesuffix(user_before),
        ),
        default=before_user.removesuffix(user_before).removeprefix(start),
        user=(user_before, user_after),
        assistant=(answer_before.removeprefix(user_after), between.removesuffix(user_before)),
        prompt=prompt,
    )


def _common_start(one: str, other: str) -> str:
    size = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return one[: min(len(one), len(other)) if size is None else size]


def _common_end(one: str, other: str) -> str:
    return _common_start(one[::-1], other[::-1])[::-1]
