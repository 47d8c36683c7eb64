"""The built-in probe set: what a model should still know after fine-tuning, and how it predicts plain text.

300 questions with one right answer each, chosen from four by likelihood, so that no answer has to be
generated and models without instructions can be probed; and 20 passages of plain English. They are written
for this, not taken from a benchmark: they compare a model with itself and say nothing about other models.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.data.example import Message
from tuiftune.errors import UserError
from tuiftune.evaluate import measured, scorers
from tuiftune.evaluate.scorers.base import Pair, Scorer, each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.evaluate.contender import Likelihood, Responder
    from tuiftune.evaluate.measured import Difference, Measured

DIRECTORY = Path(__file__).parent / "probes"
CHOICES = 4
FIGURES = 3  # that are tested for forgetting
CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Probe:
    """One question; `choices` holds the answer and three answers of other questions of its category."""

    category: str
    question: str
    answer: str
    choices: tuple[str, ...]


KNOWN = Scorer(
    key="probe_questions",
    order=0,
    name="probe questions",
    does="the right answer is the most likely of four",
    kind="rate",
    parts=each(lambda pair: float(pair.answer == pair.reference)),
)


@dataclass(frozen=True, slots=True)
class Probed:
    """What a model made of the set: share of questions, bits per byte of right answers and of texts."""

    name: str
    questions: Measured
    answers: Measured
    texts: Measured
    by_category: dict[str, tuple[int, int]]

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {
            "name": self.name,
            "questions": self.questions.document(),
            "answers_bits_per_byte": self.answers.document(),
            "texts_bits_per_byte": self.texts.document(),
            "by_category": {key: list(value) for key, value in self.by_category.items()},
        }


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The fine-tuned model compared with its base model on the same questions and texts.

    Attributes:
        lost: share of questions lost, negative if gained.
        rise: relative rise of the bits per byte of the texts.
        detected: True if any of the three figures is worse by more than chance gives (Bonferroni).
        says: one sentence.
    """

    questions: Difference | None
    answers: Difference | None
    texts: Difference | None
    lost: float
    rise: float
    detected: bool
    says: str

    @property
    def worst(self) -> float:
        """Return the larger of the share of questions lost and the relative rise on texts."""
        return max(self.lost, self.rise)

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        figures = {"questions": self.questions, "answers": self.answers, "texts": self.texts}
        return {
            **{key: None if one is None else one.document() for key, one in figures.items()},
            "lost": self.lost,
            "rise": self.rise,
            "detected": self.detected,
            "says": self.says,
        }


@cache
def questions() -> tuple[Probe, ...]:
    """Return the questions, each with the same choices at every call."""
    rows = [row for row in documents.json_lines(DIRECTORY / "questions.jsonl") if isinstance(row, dict)]
    others: dict[str, list[str]] = {}
    for row in rows:
        others.setdefault(row["category"], []).append(row["answer"])
    found = []
    for at, row in enumerate(rows):
        rng = random.Random(at)
        wrong = sorted(set(others[row["category"]]) - {row["answer"]})
        choices = [row["answer"], *rng.sample(wrong, CHOICES - 1)]
        rng.shuffle(choices)
        found.append(Probe(row["category"], row["question"], row["answer"], tuple(choices)))
    return tuple(found)


@cache
def texts() -> tuple[str, ...]:
    """Return the passages."""
    return tuple(row["text"] for row in documents.json_lines(DIRECTORY / "texts.jsonl"))


def probe(responder: Responder, told: Callable[[int, int], None], limit: int | None = None) -> Probed:
    """Measure a model by the likelihood of given answers and texts.

    Raises:
        UserError: if it cannot tell likelihoods, as endpoints cannot.
    """
    if not responder.losses:
        raise UserError("does not tell how likely an answer is", place=responder.name, remedy="name a model")
    asked = _spread(questions(), limit)
    told(0, len(asked) + 1)
    plain = responder.likelihoods([((), text) for text in texts()])
    rows = [((Message("user", one.question),), choice) for one in asked for choice in one.choices]
    likely: list[Likelihood | None] = []
    step = 20 * CHOICES
    for start in range(0, len(rows), step):
        told(1 + start // CHOICES, len(asked) + 1)
        likely += responder.likelihoods(rows[start : start + step])
    told(len(asked) + 1, len(asked) + 1)
    chosen, right, categories = [], [], dict.fromkeys((one.category for one in asked), (0, 0))
    for at, one in enumerate(asked):
        found = likely[at * CHOICES : (at + 1) * CHOICES]
        # Of answers of different length a long one is less likely; bits per byte make them comparable.
        costs = [
            float("inf") if value is None else value.nats / len(choice.encode())
            for choice, value in zip(one.choices, found, strict=True)
        ]
        answer = one.choices[costs.index(min(costs))]
        chosen.append(Pair(answer, one.answer, one.question, at))
        mine = found[one.choices.index(one.answer)]
        right.append(_pair(one.answer, mine))
        known, every = categories[one.category]
        categories[one.category] = (known + (answer == one.answer), every + 1)
    bits = scorers.every()["bits_per_byte"]
    return Probed(
        responder.name,
        measured.measure(KNOWN, "", chosen),
        measured.measure(bits, "", right),
        measured.measure(bits, "", [_pair(text, one) for text, one in zip(texts(), plain, strict=True)]),
        categories,
    )


def forgetting(base: Probed, tuned: Probed) -> Forgetting:
    """Compare two models on the same probes, base model first."""
    first = measured.compare(base.questions, tuned.questions)
    answers = measured.compare(base.answers, tuned.answers)
    plain = measured.compare(base.texts, tuned.texts)
    lost = -first.value if first is not None else 0.0
    before = base.texts.value or 0.0
    rise = plain.value / before if plain is not None and before else 0.0
    worse = [
        words
        for found, sign, words in (
            (first, -1, f"{lost * 100:.1f} points of the questions"),
            (answers, 1, "confidence in right answers"),
            (plain, 1, f"{rise:.1%} more bits per byte on plain text"),
        )
        if found is not None and found.value * sign > 0 and found.p < CHANCE / FIGURES
    ]
    rows = base.questions.rows
    if worse:
        of = f"{rows} questions, {base.texts.rows} texts"
        says = f"Forgetting: {', '.join(worse)} (more than chance gives; {of})."
    else:
        detect = (
            ""
            if first is None or first.smallest is None
            else f" (they detect {first.smallest * 100:.1f} points)"
        )
        says = f"No forgetting that {rows} questions and {len(texts())} texts show{detect}."
    return Forgetting(first, answers, plain, lost, rise, bool(worse), says)


def _pair(reference: str, one: Likelihood | None) -> Pair:
    return Pair("", reference) if one is None else Pair("", reference, "", 0, one.nats, one.tokens)


def _spread(every: Sequence[Probe], limit: int | None) -> Sequence[Probe]:
    """Return at most so many questions, evenly from all categories."""
    if limit is None or limit >= len(every):
        return every
    return [every[at * len(every) // limit] for at in range(limit)]
