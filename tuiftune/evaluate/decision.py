"""From measured contenders to what to do: the simplest one that the rows cannot tell from the best.

The decision reads scores and costs only. A contender is better if a paired test on the same rows says so;
that anything is better than always giving the most common answer is tested at 0.05 divided by the number of
contenders, since the best of many is looked at (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune.evaluate import measured
from tuiftune.evaluate.wording import amount, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.evaluate.evaluation import Evaluation
    from tuiftune.evaluate.measured import Difference

CHANCE = 0.05
# What it takes to build and keep one, from least to most: at equal scores the first is chosen.
EFFORT = ("prompt", "few-shot", "retrieval", "classifier", "tuned", "tuned+")
TUNED = ("tuned", "tuned+")
DOES = {
    "prompt": "Use a prompt",
    "few-shot": "Use few-shot examples in the prompt",
    "retrieval": "Use retrieval (RAG)",
    "classifier": "Use a classifier without a language model",
    "tuned": "Fine-tune",
    "tuned+": "Fine-tune, and keep the examples or retrieved passages in the prompt",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A measured contender.

    Attributes:
        key: its name in documents.
        kind: one of `EFFORT`.
        detail: what was chosen for it on training rows, such as k.
        price: US dollars for 1,000 answers; None if unknown.
        month: US dollars a month; None if unknown.
        hosted: True if it answers at an endpoint that charges for tokens.
    """

    key: str
    name: str
    kind: str
    evaluation: Evaluation
    detail: str = ""
    price: float | None = None
    month: float | None = None
    hosted: bool = False

    @property
    def value(self) -> float:
        """Return the main score, larger is better."""
        main = self.evaluation.main
        value = main.value if main.value is not None else float("-inf")
        return -value if main.scorer.better == "lower" else value

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {
            "key": self.key,
            "kind": self.kind,
            "detail": self.detail,
            "usd_per_1000": self.price,
            "usd_per_month": self.month,
            **self.evaluation.document(),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and how sure that is.

    Attributes:
        action: a key of `DOES`, or "nothing" if the rows show no signal.
        chosen: the candidate to use; None without a signal.
        reference: what `difference` compares the chosen one with.
        says: one or two sentences.
        rows_used: "selected on these rows", or "test rows, used once".
    """

    action: str
    chosen: Candidate | None
    best: Candidate
    reference: Candidate | None
    difference: Difference | None
    says: str
    rows_used: str

    def document(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {
            "action": self.action,
            "chosen": None if self.chosen is None else self.chosen.key,
            "best": self.best.key,
            "reference": None if self.reference is None else self.reference.key,
            "difference": None if self.difference is None else self.difference.document(),
            "says": self.says,
            "rows_used": self.rows_used,
        }


def choose(candidates: Sequence[Candidate], floor: Evaluation) -> tuple[Candidate | None, Candidate]:
    """Return the candidate to use, None without a signal, and the one with the best score.

    `floor`: always the most common training answer.
    """
    best = max(candidates, key=lambda one: (one.value, -EFFORT.index(one.kind)))
    gain = measured.compare(floor.main, best.evaluation.main)
    sign = -1 if best.evaluation.main.scorer.better == "lower" else 1
    if gain is None or gain.value * sign <= 0 or gain.p >= CHANCE / len(candidates):
        return None, best
    equal = [one for one in candidates if one is best or not _worse(one, best)]
    return min(equal, key=lambda one: (EFFORT.index(one.kind), -one.value, one.price or 0.0)), best


def _worse(one: Candidate, best: Candidate) -> bool:
    change = measured.compare(one.evaluation.main, best.evaluation.main)
    return change is not None and change.p < CHANCE


def rival(chosen: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """Return what the chosen one is compared with: for a fine-tuned model the best that needs no training,
    for others the fine-tuned model, else the best of another kind.
    """
    if chosen.kind in TUNED:
        others = [one for one in candidates if one.kind not in TUNED]
    else:
        others = [one for one in candidates if one.kind in TUNED]
        others = others or [one for one in candidates if one.kind != chosen.kind]
    return max(others, key=lambda one: one.value, default=None)


def conclude(
    chosen: Candidate | None,
    best: Candidate,
    reference: Candidate | None,
    floor: Evaluation,
    *,
    tuned_measured: bool,
    tested: bool,
) -> Decision:
    """Put a decision into words, from scores on the rows that it is reported on."""
    used = "test rows, used once" if tested else "selected on these rows"
    rows = len(best.evaluation.answers)
    if chosen is None:
        scorer = best.evaluation.main.scorer
        score = number(best.evaluation.main.value or 0.0, scorer)
        says = (
            f"No signal: the best contender ({best.name}, {score}) "
            f"is not better than always giving the most common answer "
            f"({number(floor.main.value or 0.0, scorer)}) by more than {rows} rows could show. "
            f"Check the labels, or collect more rows."
        )
        return Decision("nothing", None, best, None, None, says, used)
    difference = (
        None if reference is None else measured.compare(reference.evaluation.main, chosen.evaluation.main)
    )
    says = _says(chosen, reference, difference)
    if not tuned_measured:
        says += " Whether fine-tuning is better is not known before a run: add --run RUN after training one."
    return Decision(chosen.kind, chosen, best, reference, difference, says, used)


def _says(chosen: Candidate, reference: Candidate | None, found: Difference | None) -> str:
    scorer = chosen.evaluation.main.scorer
    score = number(chosen.evaluation.main.value or 0.0, scorer)
    does = f"{DOES[chosen.kind]}: {chosen.name} has {score} {scorer.name}"
    if reference is None or found is None:
        return f"{does}."
    sign = -1 if scorer.better == "lower" else 1
    if found.shown and found.value * sign > 0:
        words = f"{amount(found.value, scorer)} better than {reference.name}"
        if found.interval is not None:
            low, high = sorted((abs(found.interval[0]), abs(found.interval[1])))
            words += f" (95% CI {amount(low, scorer)} to {amount(high, scorer)})"
        return f"{does}, {words}{_tokens(chosen, reference)}."
    if found.shown:
        return f"{does}; {reference.name} scores {amount(found.value, scorer)} better, at more effort."
    least = "" if found.smallest is None else f" (they detect {amount(found.smallest, scorer)} or more)"
    return f"{does}. {found.rows} rows show no difference from {reference.name}{least}."


def _tokens(chosen: Candidate, reference: Candidate) -> str:
    """Return how its tokens compare, if both are known and differ by a half or more."""
    first, second = _total(chosen), _total(reference)
    if not first or not second:
        return ""
    if second >= 1.5 * first:
        return f", with {second / first:.1f} times fewer tokens"
    if first >= 1.5 * second:
        return f", with {first / second:.1f} times the tokens"
    return ""


def _total(one: Candidate) -> float:
    used = one.evaluation.usage
    return (used.tokens_in or 0.0) + (used.tokens_out or 0.0)
