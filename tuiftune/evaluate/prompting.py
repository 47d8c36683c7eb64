"""How a contender asks: the row as it is, with an instruction, with examples, with what was retrieved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tuiftune.data.example import Message
from tuiftune.evaluate.retrieve import Bm25

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.contender import Question

INPUT = "{input}"
Messages = tuple[Message, ...]


class Prompting(Protocol):
    """A way to ask. `key` names it in documents, `name` for people, `detail` what was chosen for it."""

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def detail(self) -> str: ...

    def messages(self, questions: Sequence[Question]) -> list[Messages]:
        """Return what is sent for each question. It never sees the reference."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """The row as it is."""

    key: str = "zero-shot"
    name: str = "zero-shot"
    detail: str = ""

    def messages(self, questions: Sequence[Question]) -> list[Messages]:
        """Return the prompts of the rows."""
        return [question.messages for question in questions]


@dataclass(frozen=True, slots=True)
class Instructed:
    """The row with an instruction as its system message, such as the list of labels."""

    instruction: str
    key: str = "instructed"
    name: str = "zero-shot with an instruction"
    detail: str = ""

    def messages(self, questions: Sequence[Question]) -> list[Messages]:
        """Return the prompts with the instruction first; a system message of the row's own follows it."""
        return [with_system(self.instruction, question.messages) for question in questions]


@dataclass(frozen=True, slots=True)
class OwnPrompt:
    """The user's own prompt: a template with `{input}`, or else a system message."""

    template: str
    key: str = "own-prompt"
    name: str = "your prompt"

    @property
    def detail(self) -> str:
        """Return how it is used."""
        return f"with {INPUT}" if INPUT in self.template else f"without {INPUT}: as a system message"

    def messages(self, questions: Sequence[Question]) -> list[Messages]:
        """Return the template filled in, or the rows with it as their system message."""
        if INPUT not in self.template:
            return [with_system(self.template, question.messages) for question in questions]
        return [(Message("user", self.template.replace(INPUT, question.text)),) for question in questions]


@dataclass(frozen=True, slots=True)
class FewShot:
    """The same examples before every row, as earlier turns."""

    examples: tuple[Question, ...]
    instruction: str = ""
    key: str = "few-shot"
    name: str = "few-shot, fixed examples"

    @property
    def detail(self) -> str:
        """Return the number of examples."""
        return f"k = {len(self.examples)}"

    def messages(self, questions: Sequence[Question]) -> list[Messages]:
        """Return the prompts with the examples before the last message."""
        return [with_examples(question.messages, self.examples, self.instruction) for question in questions]


class Nearest:
    """The training rows nearest to each row as examples, the nearest last. A row never is its own example."""

    key = "nearest"
    name = "few-shot, nearest examples"

    def __init__(
        self, pool: Sequence[Question], many: int, instruction: str = "", index: Bm25 | None = None
    ) -> None:
        self._pool, self._many, self._instruction = pool, many, instruction
        self._index = index or Bm25([one.text for one in pool])

    @property
    def detail(self) -> str:
        """Return the number of examples."""
        return f"k = {self._many}"

    def messages(self, questions: Sequence[Question]) -> list[Messages]:
        """Return the prompts with the nearest examples before the last message."""
        found = self._index.find([one.text for one in questions], 2 * self._many + 1)
        made = []
        for question, places in zip(questions, found, strict=True):
            near = [self._pool[at] for at in places if self._pool[at].text != question.text]
            made.append(with_examples(question.messages, near[: self._many][::-1], self._instruction))
        return made


class Index(Protocol):
    """Texts that can be searched: for each query the positions of the nearest, best first."""

    def find(self, queries: Sequence[str], many: int) -> list[list[int]]: ...


class Retrieval:
    """Passages found for the row, before its last message (RAG)."""

    def __init__(
        self,
        passages: Sequence[str],
        many: int,
        of: str,
        index: Index | None = None,
        asked: Sequence[str] | None = None,
        by: str = "",
    ) -> None:
        """`of`: what the passages are from. `asked`: the prompt of each, which never is its own passage.
        `by`: the model whose embeddings are searched; "" for words.
        """
        self._passages, self._many, self._of, self._asked = passages, many, of, asked
        self._by = by
        self.key = "rag-embeddings" if by else "rag"
        self.name = "retrieval (RAG) by embeddings" if by else "retrieval (RAG)"
        self._index = index or Bm25(passages)

    @property
    def detail(self) -> str:
        """Return the number of passages and where they are from."""
        return f"k = {self._many}, {self._of}" + (f", {self._by}" if self._by else "")

    def messages(self, questions: Sequence[Question]) -> list[Messages]:
        """Return the prompts with the passages in the last user message."""
        wanted = self._many if self._asked is None else 2 * self._many + 1
        found = self._index.find([one.text for one in questions], wanted)
        made = []
        for question, every in zip(questions, found, strict=True):
            own = self._asked
            places = [at for at in every if own is None or own[at] != question.text][: self._many]
            sources = "\n\n".join(f"[{n}] {self._passages[at]}" for n, at in enumerate(places, 1))
            *before, last = question.messages
            text = f"Answer from these sources.\n\n{sources}\n\n{last.content}" if sources else last.content
            made.append((*before, Message(last.role, text)))
        return made


def with_system(instruction: str, messages: Messages) -> Messages:
    """Return messages with an instruction in their system message."""
    if messages and messages[0].role == "system":
        return (Message("system", f"{instruction}\n\n{messages[0].content}"), *messages[1:])
    return (Message("system", instruction), *messages)


def with_examples(messages: Messages, examples: Sequence[Question], instruction: str = "") -> Messages:
    """Return messages with examples as turns before the last message."""
    system = [one for one in messages if one.role == "system"]
    rest = [one for one in messages if one.role != "system"]
    turns = [
        turn
        for example in examples
        for turn in (Message("user", example.text), Message("assistant", example.reference))
    ]
    made = (*system, *turns, *rest)
    return with_system(instruction, made) if instruction else made
