"""What can be evaluated: anything that answers rows, with its own rendering, stripping and stopping."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tuiftune.data.chat.answer import Stripped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.data.example import Example, Message


@dataclass(frozen=True, slots=True)
class Question:
    """One held-out row: what is asked, its tokens, and the answer it should have.

    `messages` is the prompt as a contender is given it; `tokens` what the model of a run made of it.
    """

    text: str
    tokens: list[int]
    reference: str
    row: int
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered(Stripped):
    """An answer with what it took. None if it is unknown.

    Attributes:
        tokens_in, tokens_out: tokens of the prompt and of all that was generated.
        seconds: of this answer; of one generated in a batch, its share of the batch's.
        fault: why there is no answer; "" if there is one.
    """

    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float | None = None
    fault: str = ""

    def document(self) -> dict[str, Any]:
        """Return what is kept of it as JSON; what is at its default is left out."""
        kept = {"answer": self.answer, "in": self.tokens_in, "out": self.tokens_out, "seconds": self.seconds}
        flags = {"reasoning": self.reasoning, "marks": self.marks, "unended": not self.ended}
        return {key: value for key, value in kept.items() if value is not None} | {
            key: True for key, value in flags.items() if value
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> Answered:
        """Return the answer of a kept document. KeyError or TypeError if it is none."""
        return cls(
            str(document["answer"]),
            bool(document.get("reasoning")),
            bool(document.get("marks")),
            not document.get("unended"),
            document.get("in"),
            document.get("out"),
            document.get("seconds"),
        )


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a reference answer was: negative log-likelihood in nats, over so many tokens, of so many
    bytes of text (0: all of the reference).
    """

    nats: float
    tokens: int
    bytes: int = 0


class Contender(Protocol):
    """A base model, a fine-tuned one, or whatever else is compared with them on the same rows.

    Attributes:
        key: its name in events and documents.
    """

    key: str

    def answer(self, rows: Sequence[Question]) -> list[Stripped]:
        """Return one answer a row, in their order."""
        ...


class Responder(Protocol):
    """Something that answers conversations: a model in the engine's process, or an endpoint.

    Attributes:
        name: for people.
        identity: what its answers depend on, for the cache.
        losses: True if it can tell how likely a reference is.
    """

    name: str
    losses: bool

    @property
    def identity(self) -> str: ...

    def respond(
        self,
        prompts: Sequence[Sequence[Message]],
        max_new_tokens: int,
        done: Callable[[int, Answered], None],
    ) -> None:
        """Call `done` with the position and answer of each prompt as soon as it is there, in any order.

        A prompt that cannot be answered has an answer with a `fault`.

        Raises:
            UserError: if nothing can be answered any more.
        """
        ...

    def likelihoods(self, rows: Sequence[tuple[Sequence[Message], str]]) -> list[Likelihood | None]:
        """Return how likely each reference is after its prompt; None if it cannot be measured."""
        ...


@dataclass(frozen=True, slots=True)
class Usage:
    """What answers took: means a row over those that are known. None if none is."""

    tokens_in: float | None
    tokens_out: float | None
    seconds: float | None

    @classmethod
    def of(cls, answers: Sequence[Answered]) -> Usage:
        """Return the means over answers without a fault."""
        good = [one for one in answers if not one.fault]
        return cls(
            _mean([one.tokens_in for one in good]),
            _mean([one.tokens_out for one in good]),
            _mean([one.seconds for one in good]),
        )


def _mean(values: Sequence[float | int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows that have a prompt and a reference answer, and how many have not."""

    questions: tuple[Question, ...]
    passed_over: int = 0
    files: tuple[str, ...] = field(default=())


def questions_of(examples: Sequence[Example], most: int | None = None) -> Asked:
    """Return what rows ask, at most so many, without their last answer: that of a comparison is the chosen
    one. An answer that is judged bad is no reference.
    """
    found: list[Question] = []
    passed = 0
    for row in examples:
        example = row.sides()[0] if row.chosen is not None else row
        prompt = example.prompt
        if row.disliked or not example.messages or example.messages[-1].role != "assistant":
            passed += 1
            continue
        if not prompt or not example.reference.strip():
            passed += 1
            continue
        if most is None or len(found) < most:
            text = "\n".join(message.content for message in prompt if message.role != "system")
            found.append(Question(text, [], example.reference, example.row, tuple(prompt)))
    files = tuple(dict.fromkeys(example.file for example in examples if example.file))
    return Asked(tuple(found), passed, files)
