"""`tuiftune advise`: fine-tuning, RAG or prompting, and starters for the last two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiftune.advice.suggest import Suggestion
    from tuiftune.data.facts import DataFacts
    from tuiftune.wizard.recommend import Recommendation

Answers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUESTION=OPTION",
        help="Answers, such as task=classify examples=thousands. Without any, the questions and their "
        "options are listed.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="FILE", help="Training data. Questions that it already answers are skipped."
    ),
]
PromptTo = Annotated[
    Path | None,
    typer.Option(
        "--prompt",
        metavar="DIR",
        help="Write a prompt with few-shot examples from --data into this directory.",
    ),
]
Documents = Annotated[
    Path | None,
    typer.Option(
        "--documents", metavar="PATH", help="Text, Markdown or JSONL files to search for answers (RAG)."
    ),
]
Ask = Annotated[
    list[str] | None,
    typer.Option("--ask", metavar="QUESTION", help="A question to search --documents for (repeatable)."),
]
Top = Annotated[int, typer.Option("--top", min=1, max=50, help="Passages shown per question.")]


def advise(
    answers: Answers = None,
    json: Json = False,
    data: Data = None,
    prompt: PromptTo = None,
    documents: Documents = None,
    ask: Ask = None,
    top: Top = 5,
) -> None:
    """Recommend fine-tuning, RAG or prompting for your task, with reasons.

    With --prompt or --documents, start with a prompt or a search index instead.
    """
    from tuiftune.errors import UserError

    if ask and documents is None:
        raise UserError("no documents to search", place="--ask", remedy="add --documents DIRECTORY")
    if prompt is not None and data is None:
        raise UserError("no rows to choose examples from", place="--prompt", remedy="add --data FILE")
    if documents is not None:
        _look_up(documents, ask or [], top, data, json)
    elif prompt is not None and data is not None:
        _write_prompt(data, prompt, _parsed(answers), json)
    else:
        _weigh(answers, data, json)


def _weigh(answers: list[str] | None, data: str | None, as_json: bool) -> None:
    from tuiftune.advice.approach import decide
    from tuiftune.advice.questions import detected
    from tuiftune.cli import advise_view
    from tuiftune.cli.terminal import write_json

    given = _parsed(answers)
    facts = _facts(data) if data else None
    found = {key: option for key, option in detected(facts).items() if key not in given}
    if not given and not as_json and _on_terminal():
        given = ask_questions(found)
    elif not given and not found:
        advise_view.usage()
        raise typer.Exit(2)
    answers_all = {**found, **given}
    verdict = decide(answers_all)
    models, values = _training_path(answers_all, facts) if verdict.trains else ([], None)
    if as_json:
        document = advise_view.document(verdict, answers_all, sorted(found), models, values)
        write_json(document, "advise")
    else:
        advise_view.show(verdict, found, data, models, values)


def _training_path(
    answers: Mapping[str, str], facts: DataFacts | None
) -> tuple[list[Suggestion], Recommendation | None]:
    """Return the models that fit this machine, and the recommended settings for this data."""
    from tuiftune.advice.suggest import suggest
    from tuiftune.hardware.detect import detect
    from tuiftune.models import local
    from tuiftune.models.resolve import resolve
    from tuiftune.wizard.recommend import recommend

    machine = detect()
    models = suggest(machine, answers, facts, local.found())
    if facts is None:
        return models, None
    return models, recommend(answers, machine, resolve(models[0].reference) if models else None, facts)


def ask_questions(known: Mapping[str, str]) -> dict[str, str]:
    """Ask the questions that are not answered in `known`. Skipped ones are not in the result."""
    from tuiftune.advice.questions import QUESTIONS
    from tuiftune.cli.prompts import prompts, question

    asks = prompts()
    return {
        each.key: answer
        for each in QUESTIONS
        if each.key not in known and (answer := question(asks, each, ""))
    }


def _parsed(answers: list[str] | None) -> dict[str, str]:
    from tuiftune.advice.questions import checked
    from tuiftune.errors import UserError
    from tuiftune.printable import printable

    found: dict[str, str] = {}
    for answer in answers or []:
        question, equals, option = answer.partition("=")
        if not equals:
            raise UserError(
                f'"{printable(answer)}" is not of the form QUESTION=OPTION',
                place="advise",
                remedy="write it like task=style",
            )
        if question in found:
            raise UserError(
                f'"{printable(question)}" is answered twice', place="advise", remedy="answer it once"
            )
        found[question.strip()] = option.strip()
    checked(found)
    return found


def _facts(data: str) -> DataFacts:
    from tuiftune.data.measure import measure
    from tuiftune.data.read import load

    return measure(load.load(data), None)


def _write_prompt(data: str, directory: Path, answers: Mapping[str, str], as_json: bool) -> None:
    from tuiftune.advice import prompting
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.data.read import load
    from tuiftune.printable import printable
    from tuiftune.wizard.proposals import decide_command

    made = prompting.starter(load.load(data).examples(), task=answers.get("task", ""))
    text, shots = prompting.write(made, directory)
    if as_json:
        rows = [{"file": shot.file, "row": shot.row} for shot in made.shots]
        document = {"prompt": str(text), "few_shot": str(shots), "rows": rows, "labels": list(made.labels)}
        write_json(document, "advise-prompt")
        return
    chosen = ", ".join(str(shot.row) for shot in made.shots)
    say(
        f"Chose {len(made.shots)} of {made.rows:,} rows as few-shot examples, as different as possible: "
        f"rows {chosen}."
    )
    if made.labels:
        say(f"Found {len(made.labels)} labels. The prompt lists all of them.")
    if made.note:
        say(printable(made.note))
    say(f"Wrote {text} (a template with {{input}}) and {shots} (the examples as chat messages).")
    say(f"Measure it on your rows: {decide_command([data], prompt=text)}")


def _look_up(path: Path, questions: list[str], top: int, data: str | None, as_json: bool) -> None:
    from tuiftune.advice import retrieval
    from tuiftune.cli import advise_view
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.wizard.proposals import decide_command

    built = retrieval.index(path)
    found = retrieval.ask(built, questions, top)
    if as_json:
        write_json(advise_view.retrieved(built, found), "advise-documents")
    else:
        advise_view.show_retrieved(built, found)
        command = decide_command([data] if data else [], documents=str(path))
        say(f"Measure RAG on your rows: {command}")


def _on_terminal() -> bool:
    import os
    import sys

    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
