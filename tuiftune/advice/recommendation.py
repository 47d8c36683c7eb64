"""What each verdict means and what to do next, in words and commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import sources
from tuiftune.advice.signals import PROMPT, RAG, TUNE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do next. `command` is what does it, where this program does; DATA stands for the file."""

    says: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One of the three things to go on with, whatever the verdict: what it is and what comes of it."""

    key: str  # prompt, rag or fine-tune
    title: str
    says: str


BOTH, PRETRAIN = "fine-tune+rag", "cpt+fine-tune"
TITLES = {
    PROMPT: "Prompting",
    RAG: "Retrieval (RAG)",
    TUNE: "Fine-tuning",
    BOTH: "Fine-tuning with retrieval",
    PRETRAIN: "Continued pre-training, then fine-tuning",
}
SUMMARIES = {
    PROMPT: "A good prompt with a few examples is likely enough, and it is done today.",
    RAG: "Look the facts up when they are asked for, and leave the model as it is.",
    TUNE: "Teach the behaviour with your examples.",
    BOTH: "Tuning teaches how to answer; retrieval supplies what.",
    PRETRAIN: "First the field's raw text, so that the model reads its language; then the examples.",
}
_PROMPTING = Step(
    "Write a prompt with examples drawn from your rows, and try it.",
    "tuiftune advise --data DATA --prompt DIRECTORY",
)
_RETRIEVAL = Step(
    "Index your documents and see what would be found for your questions.",
    'tuiftune advise --documents DIRECTORY --ask "QUESTION"',
)
_INSPECT = Step("Look at what your data is, and what is wrong with it.", "tuiftune data inspect DATA")
_TRAIN = Step("Choose model and method, and train.", "tuiftune new")
_MEASURE = Step("Keep 50 or more questions with good answers aside: what cannot be measured cannot improve.")
_BASELINE = Step("Score a prompt with examples first: that is what tuning has to beat.", _PROMPTING.command)

_STEPS = {
    PROMPT: (
        _PROMPTING,
        _MEASURE,
        Step("If it falls short: retrieval where facts are missing, tuning where behaviour is."),
    ),
    RAG: (
        _RETRIEVAL,
        Step("Have it answer from the passages found, naming them, or say that they do not hold the answer."),
        _MEASURE,
        Step("Tune later, if it finds the right passages and still answers the wrong way."),
    ),
    TUNE: (_INSPECT, _BASELINE, _TRAIN),
    BOTH: (
        _RETRIEVAL,
        _INSPECT,
        Step("Put retrieved passages into the training prompts, so that it learns to answer from them."),
        _TRAIN,
    ),
    PRETRAIN: (
        Step(
            "Train on the raw text first (plain text files, data.loss_on: all), as full tuning.",
            "tuiftune new",
        ),
        Step("Mix general text in (data.mix), or the model forgets what it knew."),
        Step("Then train on the examples, with the first run's model as base.", "tuiftune new"),
    ),
}
WAYS = {
    PROMPT: Way(
        PROMPT,
        "A prompt with examples from your rows",
        "A template and a few-shot file, written where you say: an hour's work, and the mark to beat.",
    ),
    RAG: Way(
        RAG,
        "See what retrieval would find",
        "Indexes your documents here and now, and shows the passages each question would get.",
    ),
    TUNE: Way(TUNE, "Train", "Go on to the data, the model and the method."),
}
_ORDER = {
    PROMPT: (PROMPT, RAG, TUNE),
    RAG: (RAG, PROMPT, TUNE),
    TUNE: (TUNE, PROMPT, RAG),
    BOTH: (TUNE, RAG, PROMPT),
    PRETRAIN: (TUNE, PROMPT, RAG),
}


def ways(approach: str) -> tuple[Way, ...]:
    """What one can go on with, what the verdict advises first."""
    return tuple(WAYS[key] for key in _ORDER[approach])


_COLLECT = Step("Collect at least 100 good examples, better 500: below that tuning has little to learn from.")


def steps(approach: str, answers: Mapping[str, str]) -> tuple[Step, ...]:
    """What to do next, in order."""
    first = (_COLLECT,) if TUNE in approach and answers.get("examples") == "few" else ()
    return first + _STEPS[approach]


def notes(
    approach: str, answers: Mapping[str, str], pretraining: bool, scores: Mapping[str, float]
) -> tuple[str, ...]:
    """What is worth knowing beside the verdict, none of it counted in."""
    found = []
    if not answers:
        found.append("Nothing was answered: this is only where everybody should start.")
    if TUNE in approach and answers.get("tried") in (None, "nothing"):
        found.append(
            "Try a prompt with a few examples first: it takes an hour and needs no training "
            f"({sources.GPT3})."
        )
    if answers.get("preferences") == "yes":
        found.append(
            "Preference pairs are for a step after fine-tuning (DPO); the chosen answers alone can be "
            "trained on first."
        )
    if pretraining and approach != PRETRAIN:
        found.append(
            "If the field's language stays a problem: continued pre-training on its raw text "
            f"({sources.DOMAIN_TEXT})."
        )
    if TUNE not in approach and scores[TUNE] > 0:
        found.append("Some of your answers speak for tuning: nothing keeps you from training all the same.")
    return tuple(found)
