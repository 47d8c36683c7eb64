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
    """`why` is one line beside the question, `deeper` what `?` shows. Every question may be skipped."""

    key: str
    asks: str
    why: str
    deeper: str
    options: tuple[Option, ...]


QUESTIONS: tuple[Question, ...] = (
    Question(
        "task",
        "What should the model do?",
        "Tuning teaches how to answer; it is a poor way to teach facts.",
        "Fixed labels, fixed fields, a voice or a strict format are behaviour, and behaviour is what tuning "
        "changes well. Knowing things is better looked up. Talking about anything is what base models are "
        "already good at.",
        (
            Option("classify", "sort into fixed labels, or pull out fixed fields"),
            Option("format", "answer in a strict format (JSON, SQL, a house form)"),
            Option("style", "write in a certain voice, tone or persona"),
            Option("knowledge", "know a field: answer from its knowledge"),
            Option("reasoning", "solve problems in several steps (maths, code, cases)"),
            Option("general", "help with all sorts of questions"),
            Option("prototype", "a one-off task or a quick trial"),
        ),
    ),
    Question(
        "facts",
        "Where do the facts in an answer come from?",
        "Facts in documents can be looked up when asked, and stay out of the weights.",
        "Retrieval puts the right pages before the model at the moment of asking: cheaper than training, and "
        "updated by replacing a file. Where the request holds everything, there is nothing to look up.",
        (
            Option("request", "everything needed is in the request itself"),
            Option("model", "general knowledge the model has already"),
            Option("documents", "our documents, tickets or a database"),
        ),
    ),
    Question(
        "changes",
        "How often do those facts change?",
        "Weights are as old as the last training; an index is as new as the last file.",
        "What changes weekly would need training weekly. Stable facts and behaviour can be trained in.",
        (
            Option("rarely", "hardly ever, or it does not matter"),
            Option("monthly", "every few months"),
            Option("weekly", "weekly, daily, all the time"),
        ),
    ),
    Question(
        "citations",
        "Must an answer name its source, or be free of invention?",
        "Only looked-up text can be cited; a tuned model still invents.",
        "Where an answer is checked against a document, the document has to be there when it is written. "
        "Fine-tuning lowers invention on what it has seen, and does not end it.",
        (
            Option("no", "no"),
            Option("helpful", "it would help"),
            Option("required", "yes: sources are checked, invention is costly"),
        ),
    ),
    Question(
        "examples",
        "How many good examples do you have?",
        "Below about 100, put them into the prompt instead.",
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
        "Prompting, few-shot and retrieval come first: they cost hours, not weeks.",
        "The usual order: a good prompt, few-shot examples in it, RAG, a chain of prompts, and only then "
        "fine-tuning. What you tried is also the baseline that fine-tuning has to beat.",
        (
            Option("nothing", "nothing yet"),
            Option("prompting", "prompts, and they were not enough"),
            Option("everything", "examples in the prompt and retrieval too, not enough"),
            Option("enough", "prompting works well enough"),
        ),
    ),
    Question(
        "volume",
        "How will it be used?",
        "Many or urgent calls pay for a smaller, tuned model with a short prompt.",
        "A long prompt is paid for at every call, in money and in waiting. A small tuned model that needs no "
        "examples in its prompt answers faster and cheaper once the volume is high.",
        (
            Option("low", "now and then"),
            Option("high", "many calls, or very long prompts"),
            Option("urgent", "every millisecond counts"),
        ),
    ),
    Question(
        "language",
        "How far is your field's language from ordinary text?",
        "A vocabulary the base has never seen may need raw text first, examples after.",
        "Terms can be explained in a prompt or looked up. Only where most of the text is unlike anything "
        "common, and there is much of it, does continued pre-training on raw text come before the examples.",
        (
            Option("ordinary", "ordinary"),
            Option("terms", "ordinary with special terms"),
            Option("dense", "dense special language, and much raw text of it"),
        ),
    ),
    Question(
        "preferences",
        "Do you have answers ranked against each other?",
        "Chosen and rejected pairs teach taste, after examples have taught the task.",
        "Preference pairs (chosen, rejected) are for a step after fine-tuning: direct preference "
        "optimization (DPO). The chosen answers alone already make examples.",
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
        f"there is no question '{_short(key)}'", place="advise", remedy=_nearest(key, KEYS, "questions")
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
    return f"did you mean '{near[0]}'?" if near else f"the {what} are: {', '.join(known)}"


def _short(text: str) -> str:
    clean = printable(text)
    return clean if len(clean) <= 40 else clean[:39] + "…"
