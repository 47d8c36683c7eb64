"""The questions that decide between fine-tuning, retrieval and prompting (KNOWLEDGE §1's signals)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.data.facts import DataFacts


NOT_SURE = "not sure, or it does not matter"  # an answer that every question has


@dataclass(frozen=True, slots=True)
class Option:
    key: str
    says: str


@dataclass(frozen=True, slots=True)
class Question:
    """`why` is one line below the question, `deeper` is shown by `?`. Every question may be skipped."""

    key: str
    asks: str
    why: str
    deeper: str
    options: tuple[Option, ...]


QUESTIONS: tuple[Question, ...] = (
    Question(
        "task",
        "What should the model do?",
        "Fine-tuning changes how a model answers. It is unreliable for adding facts.",
        "Fixed labels, fixed fields, a style or a strict format are behavior, which fine-tuning changes "
        "well. "
        "Facts are better looked up (RAG). General conversation is what base models already do well.",
        (
            Option("classify", "classify into fixed labels, or extract fixed fields"),
            Option("format", "answer in a strict format (JSON, SQL, a company template)"),
            Option("style", "write in a certain style, tone or persona"),
            Option("knowledge", "answer from the knowledge of a field"),
            Option("reasoning", "solve problems in several steps (math, code, cases)"),
            Option("general", "answer general questions"),
            Option("prototype", "a one-off task or a quick trial"),
        ),
    ),
    Question(
        "facts",
        "Where do the facts in an answer come from?",
        "Facts in documents can be found at question time (RAG), without training.",
        "Retrieval (RAG) puts the right passages into the prompt: it is cheaper than training, and you "
        "update it "
        "by replacing a file. If the prompt contains everything, there is nothing to look up.",
        (
            Option("request", "everything needed is in the prompt itself"),
            Option("model", "general knowledge that the model already has"),
            Option("documents", "our documents, tickets or a database"),
        ),
    ),
    Question(
        "changes",
        "How often do those facts change?",
        "A fine-tuned model only knows its training data; a RAG index can be updated at any time.",
        "Facts that change weekly would need a new run every week. Stable facts and behavior can be trained.",
        (
            Option("rarely", "hardly ever"),
            Option("monthly", "every few months"),
            Option("weekly", "weekly, daily, all the time"),
        ),
    ),
    Question(
        "citations",
        "Must answers cite sources, or be free of hallucination?",
        "Only RAG can cite sources. A fine-tuned model can still hallucinate.",
        "To check an answer against a document, the model needs that document in its prompt. Fine-tuning "
        "reduces "
        "hallucination on what it was trained on, but does not prevent it.",
        (
            Option("no", "no"),
            Option("helpful", "it would help"),
            Option("required", "yes: sources are checked, errors are costly"),
        ),
    ),
    Question(
        "examples",
        "How many good examples do you have?",
        "With fewer than about 100, use them as few-shot examples in the prompt.",
        "Good means correct, consistent, and written as the model should answer. 100 to 500 are the least "
        "for "
        "fine-tuning. Classification needs 500 to 2,000 (some practitioners say 1,000 to 5,000), style 1,000 "
        "to "
        "5,000, the knowledge of a field 2,000 to 10,000, reasoning 5,000 to 20,000. Quality matters more "
        "than "
        "quantity: 1,000 curated rows were enough for style and format (LIMA paper, 2023).",
        (
            Option("few", "fewer than 100"),
            Option("hundreds", "100 to 500"),
            Option("thousands", "500 to 5,000"),
            Option("many", "more than 5,000"),
        ),
    ),
    Question(
        "tried",
        "What have you tried already?",
        "Try prompting, few-shot examples and RAG first: they take hours, not weeks.",
        "The usual order: a good prompt, few-shot examples in it, RAG, a chain of prompts, and only then "
        "fine-tuning. What you tried is also the baseline that fine-tuning has to beat.",
        (
            Option("nothing", "nothing yet"),
            Option("prompting", "prompts, which were not enough"),
            Option("everything", "few-shot examples and RAG, which were not enough"),
            Option("enough", "prompting works well enough"),
        ),
    ),
    Question(
        "volume",
        "How will it be used?",
        "For many or urgent calls, a small fine-tuned model with a short prompt is cheaper and faster.",
        "A long prompt costs money and time at every call. A small fine-tuned model works without examples "
        "in its "
        "prompt, so it is faster and cheaper if there are many calls.",
        (
            Option("low", "occasionally"),
            Option("high", "many calls, or very long prompts"),
            Option("urgent", "answers must be very fast"),
        ),
    ),
    Question(
        "language",
        "How different is your field's language from ordinary text?",
        "If the base model does not know the vocabulary, train on raw text first, then on examples.",
        "Terms can be explained in the prompt or looked up. Continued pre-training on raw text is only "
        "useful if "
        "most of the text is unlike ordinary text, and you have much of it.",
        (
            Option("ordinary", "ordinary"),
            Option("terms", "ordinary with special terms"),
            Option("dense", "highly specialized, and we have much raw text"),
        ),
    ),
    Question(
        "preferences",
        "Do you have answers ranked against each other?",
        "Preference pairs (chosen and rejected answers) improve quality after supervised fine-tuning.",
        "Preference pairs are for a second run after supervised fine-tuning: direct preference optimization "
        "(DPO, method.stage: dpo). The chosen answers alone can be used as examples in the first.",
        (Option("no", "no"), Option("yes", "yes, chosen and rejected pairs")),
    ),
)
KEYS: tuple[str, ...] = tuple(question.key for question in QUESTIONS)
SKIP = "skip"


def question(key: str) -> Question:
    """The question of a key. UserError names the nearest where there is none."""
    for known in QUESTIONS:
        if known.key == key:
            return known
    raise UserError(
        f"question '{_short(key)}' does not exist", place="advise", remedy=_nearest(key, KEYS, "questions")
    )


def checked(answers: Mapping[str, str]) -> dict[str, str]:
    """Known answers to known questions, skipped ones left out. UserError names the nearest option."""
    sound: dict[str, str] = {}
    for key, option in answers.items():
        asked = question(key)
        if option in ("", SKIP):
            continue
        options = tuple(known.key for known in asked.options)
        if option not in options:
            raise UserError(
                f"'{_short(option)}' does not answer '{key}'",
                place="advise",
                remedy=_nearest(option, options, "answers"),
            )
        sound[key] = option
    return {key: sound[key] for key in KEYS if key in sound}


def detected(facts: DataFacts | None) -> dict[str, str]:
    """Answers that the data gives by itself, so that nobody is asked for them."""
    if facts is None:
        return {}
    rows = facts.rows + facts.rows_eval
    answers = {"examples": _how_many(rows)}
    if facts.format == "classification":
        answers |= {"task": "classify", "facts": "request"}
    if facts.format in ("preference", "kto"):
        answers["preferences"] = "yes"
    if facts.format == "text":
        del answers["examples"]  # raw text holds no examples of answers
    return answers


def _how_many(rows: int) -> str:
    if rows < 100:
        return "few"
    if rows < 500:
        return "hundreds"
    return "thousands" if rows <= 5000 else "many"


def _nearest(given: str, known: tuple[str, ...], what: str) -> str:
    import difflib

    near = difflib.get_close_matches(given, known, 1)
    return f"did you mean '{near[0]}'?" if near else f"use one of the {what}: {', '.join(known)}"


def _short(text: str) -> str:
    clean = printable(text)
    return clean if len(clean) <= 40 else clean[:39] + "…"
