"""How a template and its tokenizer begin and end an answer, found by rendering one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.data.chat.reasoning import opened
from tuiftune.data.chat.template import SENTINEL, THOUGHT
from tuiftune.data.example import Message
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tuiftune.data.chat.template import Template

SWITCHES = ("enable_thinking", "thinking")  # of Qwen3 and most others; of DeepSeek, Granite and Kimi
_QUESTION, _ANSWER = Message("user", "question"), Message("assistant", SENTINEL)
_PROBES: tuple[tuple[Message, ...], ...] = (
    (_QUESTION,),
    (Message("system", "rules"), _QUESTION),
    (_QUESTION, Message("assistant", "answer"), _QUESTION),
)


@dataclass(frozen=True, slots=True)
class Ending:
    """`stops` are the tokens (as text) that end an answer; `tail` is what the template writes after one.

    `surplus` follows it where the template opens another answer unasked, and is taken off. `closer` is
    appended to a last answer: where the template has no end of its own (`natural` is False), or
    the base model's own generation stops at none of its `stops`. `lead` is what stands between the
    inference prompt and an answer (channel marks, an empty thinking block); `extra` is what inference sends
    beyond what an answer was rendered after, such as `<think>`; `thought_end` is what the template writes
    between reasoning and answer; `unthinking` is what it begins an answer with where its `switch` is False,
    and `thinking` how it ends the prompt where that is True, if an answer isn't trained after that.
    None of it is known (`known` is False) where the template refuses every probe.
    """

    stops: tuple[str, ...]
    tail: str = ""
    surplus: str = ""
    closer: str = ""
    natural: bool = True
    lead: str = ""
    extra: str = ""
    thought_end: str = ""
    unthinking: str = ""
    thinking: str = ""
    switch: str = SWITCHES[0]
    known: bool = True

    def may_end(self, token: str) -> bool:
        """Whether an answer may end with a token: it stands nowhere within one."""
        return bool(token) and token not in self.lead + self.thought_end


class Marks:
    """The special and added tokens of a tokenizer, found in text."""

    def __init__(self, tokens: Collection[str]) -> None:
        ordered = sorted((token for token in tokens if token.strip()), key=lambda token: (-len(token), token))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def all(self, text: str) -> list[str]:
        """The tokens that stand in a text, in order."""
        return self._pattern.findall(text) if self._pattern else []

    def at(self, text: str, place: int) -> str:
        """The token that begins at a place; empty where none does."""
        found = self._pattern.match(text, place) if self._pattern else None
        return found[0] if found else ""


def find_ending(template: Template, marks: Marks, eos: str, base_stops: Sequence[str]) -> Ending:
    """`base_stops`: tokens at which the base model's own generation settings stop."""
    probed = next((found for before in _PROBES if (found := _probe(template, before)) is not None), None)
    if probed is None:
        return Ending((eos,) if eos else (), known=False)
    opening, prompt, (on, off), head, tail = probed
    lead, extra = _between(prompt, head)
    if extra and (pair := opened(prompt)):
        extra = prompt[prompt.rindex(pair[0]) :]
    closing, surplus = marks.all(tail), ""
    if tail.strip() and tail.strip() == opening.strip():  # it opens the next answer without being asked to
        kept = tail.index(closing[0]) + len(closing[0]) if closing else 0
        tail, surplus, closing = tail[:kept], tail[kept:], closing[:1]
    thought_end = _thought_end(template)
    inner = set(marks.all(lead)) | set(marks.all(thought_end))  # to stop at one would end before the answer
    ends = tuple(dict.fromkeys(token for token in closing if token not in inner))
    known = [token for token in base_stops if token not in inner]
    own = eos if eos and (eos in known or not known) else next(iter(known), eos)
    if ends:
        closer = own if known and not set(ends) & set(known) else ""
    else:
        closer = _next_opening(template, marks, known) or own
    stops = (*ends, closer) if closer else ends
    unthinking = off.removeprefix(prompt) if off.startswith(prompt) and not head.startswith(off) else ""
    pair = opened(on)
    beyond = on[on.rindex(pair[0]) :] if pair else _between(prompt, on)[0]
    thinking = beyond if on != prompt else ""
    switch = next((name for name in SWITCHES if re.search(rf"\b{name}\b", template.source)), SWITCHES[0])
    return Ending(
        stops, tail, surplus, closer, bool(ends), lead, extra, thought_end, unthinking, thinking, switch
    )


def _probe(
    template: Template, before: tuple[Message, ...]
) -> tuple[str, str, tuple[str, str], str, str] | None:
    """(what the template writes between a question and its answer, the inference prompt, the same with and
    without thinking, the text up to the answer, the text after it).
    """
    try:
        text = template.render([*before, _ANSWER])
        prompt = template.render(before, prompt=True)
        on, off = (
            template.render(before, prompt=True, **dict.fromkeys(SWITCHES, on)) for on in (True, False)
        )
    except UserError:
        return None
    head, found, tail = text.partition(SENTINEL)
    if not found:
        return None
    return head.rpartition(_QUESTION.content)[2], prompt, (on, off), head, tail


def _between(prompt: str, head: str) -> tuple[str, str]:
    if head.startswith(prompt):
        return head[len(prompt) :], ""
    if prompt.startswith(head):
        return "", prompt[len(head) :]
    common = next((i for i, (a, b) in enumerate(zip(prompt, head, strict=False)) if a != b), 0)
    return head[common:], prompt[common:]


def _thought_end(template: Template) -> str:
    """What the template writes between reasoning and answer; empty where it doesn't show both."""
    answer = Message("assistant", f"<think>\n{THOUGHT}\n</think>\n\n{SENTINEL}")
    try:
        text = template.render([_QUESTION, answer])
    except UserError:
        return ""
    between, found, _ = text.partition(THOUGHT)[2].partition(SENTINEL)
    return between.strip() if found else ""


def _next_opening(template: Template, marks: Marks, known: Sequence[str]) -> str:
    """The token that opens the message after an answer, if the base model stops at it, as GLM-4 does."""
    try:
        text = template.render([_QUESTION, _ANSWER, _QUESTION])
    except UserError:
        return ""
    after = text.partition(SENTINEL)[2]
    token = marks.at(after, len(after) - len(after.lstrip()))
    return token if token in known else ""
