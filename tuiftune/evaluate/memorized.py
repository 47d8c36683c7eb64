"""Training rows and planted canaries that a model repeats word for word.

A long training answer that is written again as it stands was memorized, as far as held-out answers are not
written as well: what both share is the task. A canary is a row with a secret that was put among the
training rows to see if the model tells it; it is exposed if it is repeated, or likelier than all variants of
it with other letters and digits. Source: Carlini et al., The Secret Sharer, 2019, arXiv:1802.08232.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.evaluate import evaluation
from tuiftune.evaluate.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.evaluate.answer_cache import AnswerCache
    from tuiftune.evaluate.contender import Question, Responder

WORDS = 12  # of an answer that is unlikely to be written twice by chance
ROWS = 64  # of each kind at most
VARIANTS = 31
SEED = 42
CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Memorized:
    """How much is repeated word for word.

    Attributes:
        training, held_out: (repeated, asked): answers of 12 words or more.
        canaries: (repeated, asked); `exposed` of them are likelier than all their variants.
    """

    training: tuple[int, int]
    held_out: tuple[int, int]
    canaries: tuple[int, int]
    exposed: int
    says: str

    @property
    def found(self) -> bool:
        """Return True if a canary is told, or more of them are exposed or more training than held-out answers
        are repeated than chance gives.
        """
        lucky = binomial_tail(self.exposed, self.canaries[1], 1 / (VARIANTS + 1))
        return bool(self.canaries[0]) or lucky < CHANCE or _more(self.training, self.held_out)

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {**asdict(self), "found": self.found}


def measure(
    responder: Responder,
    training: Sequence[Question],
    held_out: Sequence[Question],
    canaries: Sequence[Question],
    kept: AnswerCache,
    told: Callable[[int, int], None],
) -> Memorized:
    """Ask for training rows, held-out rows and canaries. UserError if the model cannot be asked."""
    parts = [_long(training), _long(held_out), list(canaries)]
    asked = [one for part in parts for one in part]
    counts: list[tuple[int, int]] = []
    repeated: list[bool] = []
    if asked:
        room = evaluation.new_tokens(responder, asked, None)
        answers = evaluation.ask(responder, [one.messages for one in asked], room, kept, told)
        repeated = [
            bool(one.reference.split()) and " ".join(one.reference.split()) in " ".join(given.answer.split())
            for one, given in zip(asked, answers, strict=True)
        ]
    for part in parts:
        start = sum(size for _, size in counts)
        counts.append((sum(repeated[start : start + len(part)]) if part else 0, len(part)))
    training_, held_, canaries_ = counts
    exposed = sum(_exposed(responder, one) for one in canaries) if responder.losses else 0
    return Memorized(training_, held_, canaries_, exposed, _says(training_, held_, canaries_, exposed))


def _long(rows: Sequence[Question]) -> list[Question]:
    found = [one for one in rows if len(one.reference.split()) >= WORDS]
    return random.Random(SEED).sample(found, min(ROWS, len(found)))


def _exposed(responder: Responder, canary: Question) -> bool:
    """Return True if a canary is likelier than each of its variants."""
    rng = random.Random(f"{SEED} {canary.reference}")
    others = {variant(canary.reference, rng) for _ in range(VARIANTS)} - {canary.reference}
    found = responder.likelihoods([(canary.messages, text) for text in (canary.reference, *sorted(others))])
    own, *rest = [None if one is None else one.nats for one in found]
    return bool(rest) and own is not None and all(one is None or own < one for one in rest)


def variant(text: str, rng: random.Random) -> str:
    """Return a text with other digits; one without digits with other letters."""
    digits = "0123456789" if re.search(r"\d", text) else ""
    letters = "abcdefghijklmnopqrstuvwxyz"

    def other(one: str) -> str:
        if digits:
            return rng.choice(digits) if one.isdigit() else one
        if one.isascii() and one.isalpha():
            new = rng.choice(letters)
            return new.upper() if one.isupper() else new
        return one

    return "".join(map(other, text))


def _more(training: tuple[int, int], held_out: tuple[int, int]) -> bool:
    """Return True if the intervals of both shares do not meet."""
    if not training[1]:
        return False
    low, _ = wilson(*training)
    high = wilson(*held_out)[1] if held_out[1] else 0.0
    return low > high


def binomial_tail(many: int, rows: int, p: float) -> float:
    """Return how likely `many` or more of so many rows are, each with probability p."""
    return sum(math.comb(rows, k) * p**k * (1 - p) ** (rows - k) for k in range(many, rows + 1))


def _says(
    training: tuple[int, int], held_out: tuple[int, int], canaries: tuple[int, int], exposed: int
) -> str:
    told = []
    if training[1]:
        told.append(
            f"{training[0]} of {training[1]} training answers of {WORDS} words or more are repeated word for "
            f"word, and {held_out[0]} of {held_out[1]} evaluation answers"
        )
    else:
        told.append(f"no training answer has {WORDS} words or more")
    if canaries[1]:
        told.append(
            f"{canaries[0]} of {canaries[1]} canaries are repeated, "
            f"{exposed} are likelier than all {VARIANTS} variants of theirs"
        )
    return f"Memorization: {'; '.join(told)}."
