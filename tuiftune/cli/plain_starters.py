"""The starters of the plain wizard: a prompt from the user's rows, and what retrieval would find."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tuiftune import paths
from tuiftune.cli.terminal import say
from tuiftune.errors import UserError
from tuiftune.printable import printable
from tuiftune.wizard.proposals import first_data

if TYPE_CHECKING:
    from tuiftune.advice.bm25 import Hit
    from tuiftune.cli.prompts import Prompts
    from tuiftune.wizard.draft import Draft
    from tuiftune.wizard.findings import Findings

TOP = 5
EXCERPT = 300  # characters of a passage
ROWS = "Examples for the prompt are chosen from your own rows: they show the task better than a description."
FOLDER = "Two files to try with any model, before anything is trained; nothing is written over."
DOCUMENTS = "They are cut into passages and indexed by their words (BM25): no model and no network is needed."
QUESTION = (
    "If the passage that answers it is not found, no model that reads the passages could answer either."
)


def prompt(asks: Prompts, findings: Findings, draft: Draft) -> None:
    """Choose rows, show the prompt, and write it where the user says; nothing is written over."""
    from tuiftune.advice import prompting

    text = asks.text("Rows: a file, a folder or a glob", shlex.join(draft.data) or first_data(), why=ROWS)
    data = (text,) if paths.names_one(text) else tuple(shlex.split(text))
    try:
        made = prompting.starter(
            findings.dataset(draft.with_(data=data)).examples(), task=draft.answers.get("task", "")
        )
    except UserError as error:
        say(f"  {error}")
        return
    for line in made.template.splitlines():
        say(f"  | {printable(line)}")
    folder = asks.text(
        "Write prompt.md and few-shot.jsonl into (- for nowhere)", "prompt-starter", why=FOLDER
    )
    if folder == "-":
        return
    try:
        written = prompting.write(made, paths.given(folder))
    except UserError as error:
        say(f"  {error}")
    else:
        say(printable(f"  written: {written[0]} and {written[1]}"))


def retrieval(asks: Prompts, findings: Findings, draft: Draft) -> None:
    """Index documents, show what the rows' own questions find, then what is asked; nothing ends it."""
    from tuiftune.advice import retrieval as starter

    first = "docs" if paths.is_dir(Path("docs")) else "-"
    path = asks.text("Documents: a folder or a file (- for none)", first, why=DOCUMENTS)
    if path == "-":
        return
    try:
        built = starter.index(paths.given(path))
        samples = starter.sample_questions(findings.dataset(draft).examples()) if draft.data else ()
    except UserError as error:
        say(f"  {error}")
        return
    say(f"  {len(built.passages):,} passages, {built.vocabulary:,} different words")
    for question, hits in starter.ask(built, samples, 1).items():
        _show(question, hits)
    while question := asks.text("A question, as a user would ask it; nothing when done", "", why=QUESTION):
        for asked, hits in starter.ask(built, [question], TOP).items():
            _show(asked, hits)


def _show(question: str, hits: list[Hit]) -> None:
    say(printable(f"  {question}"))
    if not hits:
        say("    nothing shares a word with this question: it cannot be answered from here")
    for number, hit in enumerate(hits, 1):
        words = ", ".join(hit.matched)
        say(
            printable(f"    {number}. {hit.passage.file}:{hit.passage.line}, score {hit.score:.1f} ({words})")
        )
        say(printable(f"       {' '.join(hit.passage.text.split())[:EXCERPT]}"))
