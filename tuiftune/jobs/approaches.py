"""The contenders of a decision: ways to ask a model, classifiers, and the fine-tuned model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiftune.advice import prompting as starters
from tuiftune.advice import retrieval
from tuiftune.data.example import Example, Message
from tuiftune.data.labels import as_label
from tuiftune.evaluate import classifiers
from tuiftune.evaluate.embedded import Embedded
from tuiftune.evaluate.prompting import FewShot, Instructed, Nearest, OwnPrompt, Plain, Retrieval
from tuiftune.evaluate.retrieve import Bm25

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tuiftune.evaluate.classifiers import Classifier
    from tuiftune.evaluate.contender import Question, Responder
    from tuiftune.evaluate.embedded import Embeddings
    from tuiftune.evaluate.prompting import Prompting
    from tuiftune.evaluate.task import Task

EXAMPLES = (2, 4, 8)  # few-shot examples that are tried
PASSAGES = (1, 3, 5)
PAID_EXAMPLES, PAID_PASSAGES = 4, 3  # of an endpoint, for which no other number is paid for
MOST_POOL = 20_000  # training rows that examples and passages are taken from


@dataclass(frozen=True, slots=True)
class Approach:
    """One contender: a model with a way to ask it, or a classifier."""

    key: str
    name: str
    kind: str
    responder: Responder | None = None
    prompting: Prompting | None = None
    classifier: Classifier | None = None
    hosted: bool = False

    @property
    def detail(self) -> str:
        """Return what was chosen for it on training rows."""
        if self.classifier is not None:
            return self.classifier.detail
        return "" if self.prompting is None else self.prompting.detail


@dataclass(slots=True)
class Approaches:
    """What there is to measure.

    Attributes:
        base, tuned, endpoint: models that are asked; None if there is none.
        documents: a file or directory for retrieval; training rows are retrieved as well.
        embeddings: a model whose embeddings are searched next to words; None for words alone.
        own_prompt: text of the user's own prompt.
        left_out: contenders that do not apply, and why.
    """

    train: Sequence[Question]
    base: Responder | None = None
    tuned: Responder | None = None
    endpoint: Responder | None = None
    documents: Path | None = None
    own_prompt: str | None = None
    embeddings: Embeddings | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def of(self, task: Task) -> Iterator[list[Approach]]:
        """Yield the contenders, each as its choices from the smallest on. What matters most comes first."""
        pool = list(self.train[:MOST_POOL])
        instruction = _instruction(task)
        index = Bm25([one.text for one in pool])
        searched = self._sources(pool)
        fixed = {many: _fixed(pool, many) for many in EXAMPLES}
        ways = [way for way in (self.base, self.tuned, self.endpoint) if way is not None]
        for responder in ways:
            yield [self._asked(responder, "prompt", Plain())]
        for responder in ways:
            if responder is not self.tuned and instruction:
                yield [self._asked(responder, "prompt", Instructed(instruction))]
            if responder is not self.tuned and self.own_prompt is not None:
                yield [self._asked(responder, "prompt", OwnPrompt(self.own_prompt))]
        if task.kind == "labels":
            yield from self._classifiers(pool)
        else:
            self.left_out.append(("classifiers", "the answers are not labels"))
        for responder in ways:
            said = instruction if responder is not self.tuned else ""
            counts = (PAID_EXAMPLES,) if responder is self.endpoint else EXAMPLES
            passages = (PAID_PASSAGES,) if responder is self.endpoint else PASSAGES
            yield [self._asked(responder, "few-shot", FewShot(fixed[many], said)) for many in counts]
            for sources in searched:
                yield [self._asked(responder, "retrieval", sources(many)) for many in passages]
            near = [Nearest(pool, many, said, index) for many in counts]
            yield [self._asked(responder, "few-shot", one) for one in near]
        if self.tuned is None:
            self.left_out.append(("tuned", "no --run was named"))

    def _sources(self, pool: Sequence[Question]) -> list[Callable[[int], Retrieval]]:
        """Return what makes a retrieval of so many passages, by words and by embeddings: of the documents,
        else of the training rows.
        """
        asked: list[str] | None = None
        if self.documents is not None:
            of, texts = "documents", [one.text for one in retrieval.passages_of(self.documents)]
        else:
            of, texts = "training rows", [f"{one.text}\n{one.reference}" for one in pool]
            asked = [one.text for one in pool]
        words = Bm25(texts)
        found = [lambda many: Retrieval(texts, many, of, words, asked)]
        if self.embeddings is not None:
            vectors, model = Embedded(texts, self.embeddings), self.embeddings.name
            found.append(lambda many: Retrieval(texts, many, of, vectors, asked, model))
        return found

    def _asked(self, responder: Responder, kind: str, way: Prompting) -> Approach:
        hosted, tuned = responder is self.endpoint, responder is self.tuned
        key, name = way.key, way.name
        if hosted:
            return Approach(f"endpoint-{key}", f"{responder.name}, {name}", kind, responder, way, hosted=True)
        if not tuned:
            return Approach(key, name, kind, responder, way)
        if kind == "prompt":
            return Approach("tuned", "the fine-tuned model", "tuned", responder, way)
        return Approach(f"tuned-{key}", f"the fine-tuned model, {name}", "tuned+", responder, way)

    def _classifiers(self, pool: Sequence[Question]) -> Iterator[list[Approach]]:
        for made in classifiers.every():
            if len({as_label(one.reference) for one in pool}) < 2:
                self.left_out.append((made.key, "the training rows have one label"))
                continue
            made.fit(pool)
            yield [Approach(made.key, made.name, "classifier", classifier=made)]


def _instruction(task: Task) -> str:
    """Return the starter's instruction with all labels; "" if the answers are not labels."""
    if task.kind != "labels":
        return ""
    labels = "\n".join(f"- {label}" for label in task.labels)
    return f"Sort the input. Answer with the label alone.\n\nLabels (use no other):\n{labels}"


def _fixed(pool: Sequence[Question], many: int) -> tuple[Question, ...]:
    """Return examples that differ as much as possible, chosen as by the prompt starter."""
    rows = [
        Example((Message("user", one.text), Message("assistant", one.reference)), row=at)
        for at, one in enumerate(pool)
    ]
    return tuple(pool[shot.row] for shot in starters.starter(rows, shots=many).shots)
