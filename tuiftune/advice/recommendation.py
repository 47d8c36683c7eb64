"""What each recommendation means, and the next steps with their commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune import sources
from tuiftune.advice.signals import PROMPT, RAG, TUNE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Step:
    """A next step. `command` does it, if tuiftune can; DATA is a placeholder for the file."""

    says: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One of the three approaches to continue with: what it does."""

    key: str  # prompt, rag or fine-tune
    title: str
    says: str


BOTH, PRETRAIN = "fine-tune+rag", "cpt+fine-tune"
TITLES = {
    PROMPT: "Prompting",
    RAG: "Retrieval (RAG)",
    TUNE: "Fine-tuning",
    BOTH: "Fine-tuning with RAG",
    PRETRAIN: "Continued pre-training, then fine-tuning",
}
SUMMARIES = {
    PROMPT: "A good prompt with a few examples is likely enough, and takes an hour.",
    RAG: "Find the facts in your documents at question time, and leave the model unchanged.",
    TUNE: "Fine-tune the model's behavior with your examples.",
    BOTH: "Fine-tuning changes how the model answers; RAG supplies the facts.",
    PRETRAIN: "First train on the field's raw text, so that the model learns its language; then on examples.",
}
_PROMPTING = Step(
    "Write a prompt with few-shot examples from your rows, and try it.",
    "tuiftune advise --data DATA --prompt DIRECTORY",
)
_RETRIEVAL = Step(
    "Index your documents, and see which passages your questions find.",
    'tuiftune advise --documents DIRECTORY --ask "QUESTION"',
)
_INSPECT = Step("Inspect your data: format, token lengths and problems.", "tuiftune data inspect DATA")
_TRAIN = Step("Choose the model and technique, and train.", "tuiftune new")
_MEASURE = Step("Set aside at least 50 questions with reference answers to evaluate every approach.")
_BASELINE = Step(
    "Evaluate a few-shot prompt first: fine-tuning has to be better than that.", _PROMPTING.command
)

_STEPS = {
    PROMPT: (
        _PROMPTING,
        _MEASURE,
        Step(
            "If it is not good enough: use RAG if facts are missing, fine-tuning if the answers have the "
            "wrong form."
        ),
    ),
    RAG: (
        _RETRIEVAL,
        Step(
            "Let the model answer from the passages and cite them, or say that they do not contain the "
            "answer."
        ),
        _MEASURE,
        Step("Fine-tune later if it finds the right passages but answers in the wrong form."),
    ),
    TUNE: (_INSPECT, _BASELINE, _TRAIN),
    BOTH: (
        _RETRIEVAL,
        _INSPECT,
        Step("Put retrieved passages into the training prompts, so that the model learns to use them."),
        _TRAIN,
    ),
    PRETRAIN: (
        Step(
            "Train on the raw text first (plain text files; method.stage: pretrain).",
            "tuiftune new",
        ),
        Step("Mix in general text (data.mix), so that the model keeps its general skills."),
        Step("Then train on the examples, with the first run's model as the base model.", "tuiftune new"),
    ),
}
WAYS = {
    PROMPT: Way(
        PROMPT,
        "A prompt with examples from your rows",
        "Writes a prompt template and few-shot examples: the baseline that fine-tuning has to beat.",
    ),
    RAG: Way(
        RAG,
        "Test retrieval (RAG)",
        "Indexes your documents now, and shows the passages that each question finds.",
    ),
    TUNE: Way(TUNE, "Train", "Continue to the data, the model and the technique."),
}
_ORDER = {
    PROMPT: (PROMPT, RAG, TUNE),
    RAG: (RAG, PROMPT, TUNE),
    TUNE: (TUNE, PROMPT, RAG),
    BOTH: (TUNE, RAG, PROMPT),
    PRETRAIN: (TUNE, PROMPT, RAG),
}


def ways(approach: str) -> tuple[Way, ...]:
    """Return the approaches to continue with, the recommended one first."""
    return tuple(WAYS[key] for key in _ORDER[approach])


_COLLECT = Step("Collect at least 100 good examples, better 500: with fewer, fine-tuning learns little.")


def steps(approach: str, answers: Mapping[str, str]) -> tuple[Step, ...]:
    """What to do next, in order."""
    first = (_COLLECT,) if TUNE in approach and answers.get("examples") == "few" else ()
    return first + _STEPS[approach]


def notes(
    approach: str, answers: Mapping[str, str], pretraining: bool, scores: Mapping[str, float]
) -> tuple[str, ...]:
    """Return notes on a recommendation that its score does not include."""
    found = []
    if not answers:
        found.append("No question was answered, so this is only the usual first step.")
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
        found.append("Some of your answers favor fine-tuning: you can train anyway.")
    return tuple(found)
