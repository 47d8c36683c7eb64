"""Recommend fine-tuning, RAG or prompting from the answers, with every weight shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.advice import recommendation
from tuiftune.advice.questions import QUESTIONS, checked, question
from tuiftune.advice.signals import (
    APPROACHES,
    CLEAR,
    COMBINE_AT,
    COMBINE_SHARE,
    ENOUGH_ANSWERS,
    LIKELY,
    PROMPT,
    RAG,
    SIGNALS,
    TUNE,
    Signal,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuiftune.advice.recommendation import Step

__all__ = ["QUESTIONS", "Contribution", "Disagreement", "Verdict", "decide"]


@dataclass(frozen=True, slots=True)
class Contribution:
    """The points that one answer gives each approach, with sources. `question` is empty for a general
    rule.
    """

    question: str
    answer: str
    says: str
    points: dict[str, float]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where sources differ: what each says, and the approach if that one alone were followed."""

    topic: str
    views: tuple[tuple[tuple[str, ...], str, str], ...]  # sources, what they say, the approach with it

    @property
    def matters(self) -> bool:
        """Return True if the recommendation depends on which source is right."""
        return len({outcome for _, _, outcome in self.views}) > 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The recommendation. `scores` sum the `contributions`; `margin` is the lead as a share of all points."""

    approach: str  # prompt, rag, fine-tune, fine-tune+rag, cpt+fine-tune
    title: str
    summary: str
    scores: dict[str, float]
    margin: float
    confidence: str  # clear, likely, close
    runner_up: str
    contributions: tuple[Contribution, ...]
    disagreements: tuple[Disagreement, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    answered: int

    @property
    def trains(self) -> bool:
        return TUNE in self.approach


def decide(answers: Mapping[str, str]) -> Verdict:
    """Return the recommendation for answers (option by question). UserError for an unknown answer."""
    given = checked(answers)
    held = [signal for signal in SIGNALS if _holds(signal, given)]
    contributions = tuple(_contribution(signal, given) for signal in held)
    scores = _scores(contributions)
    pretraining = any(signal.pretraining for signal in held)
    approach = _approach(scores, pretraining)
    margin = _margin(scores, approach, contributions)
    runner_up = max(
        (name for name in APPROACHES if name not in approach.split("+")), key=lambda name: scores[name]
    )
    disagreements = tuple(_disagreement(signal, held, given) for signal in held if len(signal.views) > 1)
    return Verdict(
        approach=approach,
        title=recommendation.TITLES[approach],
        summary=recommendation.SUMMARIES[approach],
        scores=scores,
        margin=margin,
        confidence=_confidence(margin, len(given)),
        runner_up=runner_up,
        contributions=contributions,
        disagreements=disagreements,
        steps=recommendation.steps(approach, given),
        notes=recommendation.notes(approach, given, pretraining, scores),
        answered=len(given),
    )


def swings(answers: Mapping[str, str]) -> dict[str, str]:
    """Return the answers that decide: by question, the approach without that answer."""
    given = checked(answers)
    now = decide(given).approach
    found = {}
    for key in given:
        without = decide({other: option for other, option in given.items() if other != key}).approach
        if without != now:
            found[key] = without
    return found


def _holds(signal: Signal, given: Mapping[str, str]) -> bool:
    return all(given.get(key, "") in options for key, options in signal.when.items())


def _contribution(signal: Signal, given: Mapping[str, str]) -> Contribution:
    """Return a signal's points; of several views the mean."""
    points = {
        name: sum(view.points.get(name, 0) for view in signal.views) / len(signal.views)
        for name in APPROACHES
    }
    answer = ""
    if signal.question:
        chosen = given[signal.question]
        answer = next(option.says for option in question(signal.question).options if option.key == chosen)
    return Contribution(
        question=signal.question,
        answer=answer,
        says="; however: ".join(view.says for view in signal.views),
        points={name: value for name, value in points.items() if value},
        sources=tuple(name for view in signal.views for name in view.sources),
    )


def _scores(contributions: Sequence[Contribution]) -> dict[str, float]:
    return {name: sum(one.points.get(name, 0.0) for one in contributions) for name in APPROACHES}


def _approach(scores: Mapping[str, float], pretraining: bool) -> str:
    """Return the approach with the highest score, the cheaper at a tie; both if both are strong."""
    best = max(APPROACHES, key=lambda name: scores[name])
    low, high = sorted((scores[RAG], scores[TUNE]))
    if low >= max(COMBINE_AT, COMBINE_SHARE * high, scores[PROMPT]):
        return "fine-tune+rag"
    if best == TUNE and pretraining:
        return "cpt+fine-tune"
    return best


def _margin(scores: Mapping[str, float], approach: str, contributions: Sequence[Contribution]) -> float:
    chosen = [name for name in APPROACHES if name in approach.split("+")]
    others = [scores[name] for name in APPROACHES if name not in chosen]
    given = sum(abs(value) for one in contributions for value in one.points.values())
    lead = min(scores[name] for name in chosen) - max(others)
    return round(lead / given, 3) if given else 0.0


def _confidence(margin: float, answered: int) -> str:
    """Return the confidence; a few answers never make a recommendation clear."""
    if margin >= CLEAR and answered >= ENOUGH_ANSWERS:
        return "clear"
    return "likely" if margin >= LIKELY and answered else "close"


def _disagreement(signal: Signal, held: Sequence[Signal], given: Mapping[str, str]) -> Disagreement:
    """Return the approach by each side of a disagreement alone."""
    rest = _scores([_contribution(other, given) for other in held if other is not signal])
    pretraining = any(other.pretraining for other in held)
    views = []
    for view in signal.views:
        scores = {name: rest[name] + view.points.get(name, 0) for name in APPROACHES}
        views.append((view.sources, view.says, _approach(scores, pretraining)))
    return Disagreement(signal.topic, tuple(views))
