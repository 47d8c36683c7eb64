"""Which characters of a rendered conversation the assistant wrote, end of turn included.

A last answer begins where the text that inference sends ends. Where the template renders answers after
another text (R1: without `<think>`) or cuts their reasoning out, the row is put together from that prompt and
the answer. Earlier answers lie between the renderings of what comes before and after them. Templates that
mark answers with `{% generation %}` are believed where the marks take in all that a model has to write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuiftune.data.chat.ending import Marks, find_ending
from tuiftune.data.chat.reasoning import CLOSED, Thought, closed, opened, thought, without
from tuiftune.data.chat.template import SENTINEL
from tuiftune.data.example import Message
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tuiftune.data.chat.template import Span, Template


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as text, and the spans of characters that are learned, in order.

    `start` is where the inference prompt ends (None: the last message is no answer). `kept`: the reasoning of
    the last answer, which the template would cut out, was put back. `cut` counts answers that lose theirs,
    `rewritten` answers whose words aren't in their span, `dropped` other messages whose words are nowhere.
    `late`: the last answer reasons after a prompt that ends with the end of reasoning.
    """

    text: str
    spans: tuple[Span, ...]
    start: int | None = None
    kept: bool = False
    cut: int = 0
    rewritten: int = 0
    dropped: int = 0
    late: bool = False


class Chat:
    """A template with its tokenizer's special and added tokens: renders conversations, finds their answers.

    `base_stops`: the tokens (as text) at which the base model's own generation settings stop.
    """

    def __init__(
        self, template: Template, tokens: Collection[str], eos: str, base_stops: Sequence[str] = ()
    ) -> None:
        self.template = template
        self._marks = Marks(tokens)
        self.ending = find_ending(template, self._marks, eos, base_stops)
        self._stops = self.ending.stops
        self._ends = self._stops + tuple(token for token in base_stops if self.ending.may_end(token))
        self.method = "generation marks" if self._marks_suffice() else "prefixes"

    def learnt(self, messages: Sequence[Message], loss_on: str, reasoning: str = "keep") -> Rendered:
        """The conversation with the spans to learn: every `assistant` turn, or the last one for `completion`.

        Turns whose source gave them weight 0 are left out. `reasoning`: what becomes of it, as
        `data.reasoning` says. UserError where the spans can't be found with certainty.
        """
        found = self._learnt(without_reasoning(messages, reasoning), loss_on)
        context = (message.content for message in messages if message.role != "assistant")
        before = found.text[: found.start]  # an answer often repeats what a tool told it
        if dropped := sum(not _holds(before, said) for said in context):
            found = replace(found, dropped=dropped)
        return _masked(found, messages, loss_on) if reasoning == "mask" else found

    def _learnt(self, messages: Sequence[Message], loss_on: str) -> Rendered:
        last = len(messages) - 1
        prompt = None
        if last > 0 and messages[last].role == "assistant":
            prompt = self.template.render(messages[:last], prompt=True)
        text, marked = self._rendered(messages, loss_on)
        found = _thought(messages[last].content) if prompt is not None else None
        kept = False
        whole, shown, asks = text, messages, False  # what the earlier answers are looked for in
        if prompt is not None:
            kept = found is not None and found.reasoning not in text[len(prompt) :]
            if kept or not text.startswith(prompt):
                text, marked = self._put_together(text, prompt, messages, found, cut=kept), {}
                whole, shown, asks = prompt, messages[:last], True
            text = self._closed(text)
        start = None if prompt is None else len(prompt)
        late = prompt is not None and found is not None and closed(prompt)
        if loss_on == "all":
            return Rendered(text, ((0, len(text)),), start, kept, late=late)
        spans: list[Span] = []
        cut = rewritten = 0
        for index in _wanted(messages, loss_on):
            if start is not None and index == last:
                span = self._last_span(text, start, marked.get(index))
            else:
                span = marked.get(index) or self._span_of(whole, shown, index, asks)
            written, part = text[span[0] : span[1]], _thought(messages[index].content)
            cut += part is not None and part.reasoning not in written
            rewritten += not _holds(written, part.answer if part else messages[index].content)
            spans.append(span)
        return Rendered(text, tuple(spans), start, kept, cut, rewritten, late=late)

    def _rendered(self, messages: Sequence[Message], loss_on: str) -> tuple[str, dict[int, Span]]:
        """The template's own rendering, and the spans of its marks by turn where they are to be used."""
        if self.method == "prefixes" or loss_on == "all":
            return self.template.render(messages), {}
        text, spans = self.template.marked(messages)
        turns = [index for index, message in enumerate(messages) if message.role == "assistant"]
        return text, dict(zip(turns, spans, strict=True)) if len(turns) == len(spans) else {}

    def _put_together(
        self, text: str, prompt: str, messages: Sequence[Message], found: Thought | None, *, cut: bool
    ) -> str:
        """The inference prompt, and after it what the model has to write: reasoning, answer and end."""
        content = messages[-1].content
        around = self._around(messages, len(messages) - 1, asks=False)
        written, after = content, self.ending.tail
        if around is not None:
            before, after = around
            if text.startswith(before) and text.endswith(after) and len(before) + len(after) <= len(text):
                written = text[len(before) : len(text) - len(after)]
        pair = opened(prompt)
        if found is not None and (cut or pair):
            block, answer = found.block, written if cut and written != content else found.answer
            if pair and found.opened:
                block = block.partition(found.open)[2].lstrip("\n")
            elif not pair and not found.opened:
                block = f"{found.open}\n{block}"
            return prompt + block + (answer if answer[:1].isspace() else f"\n\n{answer}") + after
        if pair:
            newline = "\n" if prompt.endswith("\n") else ""
            return f"{prompt}{newline}{pair[1]}\n\n{written.lstrip()}{after}"
        return prompt + written + after

    def _closed(self, text: str) -> str:
        """With the token that ends the answer for the base model too, where the template's own doesn't."""
        ending = self.ending
        if ending.surplus:
            text = text.removesuffix(ending.surplus)
        if not ending.closer or text.endswith(ending.closer):
            return text
        if not ending.natural and not ending.tail.strip():
            text = text.removesuffix(ending.tail)
        return text + ending.closer

    def _around(self, messages: Sequence[Message], index: int, *, asks: bool) -> tuple[str, str] | None:
        """What is rendered before and after an answer; None where the template doesn't show answers whole."""
        marked = [*messages[:index], Message("assistant", SENTINEL), *messages[index + 1 :]]
        before, found, after = self.template.render(marked, prompt=asks).partition(SENTINEL)
        return (before, after) if found else None

    def _span_of(self, whole: str, messages: Sequence[Message], index: int, asks: bool) -> Span:
        """The span of an earlier answer: from the prompt that asks for it, to the tokens that end it."""
        around = self._around(messages, index, asks=asks)
        if around is not None:
            before, after = around
            prompt = self._prompt_before(messages, index)
            begin = next((text for text in (prompt, before) if text and whole.startswith(text)), None)
            end = len(whole) - len(after)
            if begin is not None and whole.endswith(after) and len(begin) <= end:
                return (len(begin), self._end_from(whole, end))
        raise UserError(
            "the chat template rewrites messages, so answers cannot be distinguished from prompts",
            place=self.template.place,
            remedy="mark the answers with {% generation %} in the template, or set data.loss_on: all",
        )

    def _prompt_before(self, messages: Sequence[Message], index: int) -> str:
        try:
            return self.template.render(messages[:index], prompt=True) if index else ""
        except UserError:  # of a template that asks for a user first, for instance
            return ""

    def _end_from(self, text: str, end: int) -> int:
        """The end of an answer, with the tokens after it at which generation stops: also those at which only
        the base model does, as before the result of a tool.
        """
        begun = at = end
        while at < len(text):
            at += len(text[at:]) - len(text[at:].lstrip())
            token = self._marks.at(text, at)
            if token not in self._ends:
                break
            at = end = at + len(token)
        tail = self.ending.tail.rstrip()
        if end == begun and self.ending.natural and text.startswith(tail, end):
            return end + len(tail)  # words of the template come before the token
        return end

    def _last_span(self, text: str, start: int, marked: Span | None) -> Span:
        """As marked, else all that follows the prompt, but for white space after an end-of-turn token:
        generation stops at the token and never gets there.
        """
        if marked is not None:
            return (marked[0], len(text)) if self.ending.closer else marked
        bare = text.rstrip()
        return (start, len(bare) if bare.endswith(self._stops) else len(text))

    def _marks_suffice(self) -> bool:
        """Whether the marks take in all from the inference prompt to the token that ends the turn; if not, a
        model would never learn to stop, or to begin.
        """
        if not self.template.marks_answers:
            return False
        question = [Message("user", "question")]
        try:
            text, marked = self.template.marked([*question, Message("assistant", "answer")])
            prompt = self.template.render(question, prompt=True)
        except UserError:
            return False
        if len(marked) != 1 or not text.startswith(prompt) or marked[0][0] > len(prompt):
            return False
        rest = text[marked[0][1] :]
        return not any(token in self._stops for token in self._marks.all(rest))


def _wanted(messages: Sequence[Message], loss_on: str) -> list[int]:
    turns = [index for index, message in enumerate(messages) if message.role == "assistant"]
    chosen = turns if loss_on == "assistant" else turns[-1:]
    return [index for index in chosen if messages[index].weight != 0]


def without_reasoning(messages: Sequence[Message], reasoning: str) -> Sequence[Message]:
    """The conversation as it is trained: with all reasoning, with none, or with that of the last answer."""
    if reasoning not in ("drop", "last"):
        return messages
    last = len(messages) - 1
    return [
        replace(one, content=without(one.content).lstrip("\n"))
        if one.role == "assistant" and (reasoning == "drop" or index != last)
        else one
        for index, one in enumerate(messages)
    ]


def _masked(found: Rendered, messages: Sequence[Message], loss_on: str) -> Rendered:
    """The same, with the reasoning of each answer, its tags included, outside of what is learned."""
    hidden: list[Span] = []
    if loss_on == "all":
        at = 0
        for message in messages:
            if message.role == "assistant":
                hidden += _blocks(found.text, (at, len(found.text)), message.content)
                at = hidden[-1][1] if hidden else at
    else:  # each in its own span: other messages may quote it
        for span, index in zip(found.spans, _wanted(messages, loss_on), strict=True):
            hidden += _blocks(found.text, span, messages[index].content)
    spans: list[Span] = []
    for begin, end in found.spans:
        for first, last in hidden:
            if begin < last and first < end:
                if begin < first:
                    spans.append((begin, first))
                begin = last
        if begin < end:
            spans.append((begin, end))
    return replace(found, spans=tuple(spans))


def _blocks(text: str, span: Span, content: str) -> list[Span]:
    """Where the reasoning of an answer stands in a span of the text, each block with its tags."""
    found: list[Span] = []
    at = span[0]
    while (part := thought(content)) is not None:
        content = part.answer
        whole = re.compile(rf"{re.escape(part.reasoning)}\s*{re.escape(part.close)}")
        seen = whole.search(text, at, span[1]) if part.reasoning else None
        if seen is None:
            start = text.find(part.reasoning, at, span[1]) if part.reasoning else -1
            end = start + len(part.reasoning)
            if start >= 0 and content.strip() in text[end : span[1]]:  # between marks of the template's own
                found.append((start, end))
                at = end
            continue  # else it is empty, or the template left it out
        start, at = seen.span()
        opening = text.rfind(part.open, 0, start)
        between = text[opening + len(part.open) : start] if opening >= 0 else "x"
        found.append((opening if not between.strip() else start, at))
    return found


def _thought(content: str) -> Thought | None:
    found = thought(content) if CLOSED.search(content) else None
    return found if found is not None and found.reasoning else None


def _holds(written: str, answer: str) -> bool:
    """Whether an answer's words stand in what is learned, whatever the white space."""
    return answer.strip() in written or "".join(answer.split()) in "".join(written.split())
