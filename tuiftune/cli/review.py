"""`tuiftune review`: people compare base model and fine-tuned model, blind."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli.options import Runs

if TYPE_CHECKING:
    from tuiftune.cli.prompts import Prompts
    from tuiftune.data.example import Message
    from tuiftune.evaluate.reviewing import Item, Side
    from tuiftune.runs.store.directory import RunDir

Run = Annotated[str, typer.Argument(metavar="RUN", help="A finished run.")]
Reviewer = Annotated[
    str | None, typer.Option("--reviewer", metavar="NAME", help="Who votes. [default: your user name]")
]
Quick = Annotated[bool, typer.Option("--quick", help="Ask only which answer is better overall.")]
ToRows = Annotated[
    Path | None,
    typer.Option("--preferences", metavar="FILE", help="Write the votes as preference rows to train on."),
]
Plain = Annotated[bool, typer.Option("--plain", help="Questions line by line instead of the app.")]
Only = Annotated[bool, typer.Option("--summary", help="Only show what was voted so far.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON document.")]
SIDES = (("left", "the left answer (1)"), ("right", "the right answer (2)"), ("tie", "about equal"))


def review(
    run: Run,
    reviewer: Reviewer = None,
    quick: Quick = False,
    preferences: ToRows = None,
    plain: Plain = False,
    summary: Only = False,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Compare the answers of base model and fine-tuned model, blind, and keep every vote.

    Sides are shuffled, and votes are kept one by one: the same command continues where you stopped. Several
    reviewers vote with --reviewer. Exit codes: 0 done, 2 bad input.
    """
    from tuiftune.cli import terminal
    from tuiftune.errors import UserError
    from tuiftune.evaluate import reviewing
    from tuiftune.printable import printable
    from tuiftune.runs.store import reviews
    from tuiftune.runs.store.find import find

    found = find(run.removeprefix("run:"), runs)
    samples = reviews.answers(found)
    if not (summary or json or preferences is not None):
        reviews.check_writable(found)
        name = (reviewer or os.environ.get("USER") or "reviewer").strip()
        if not name:
            raise UserError("is empty", place="--reviewer", remedy="give a name")
        if not (plain or quick or terminal.plain()) and sys.stdin.isatty():
            from tuiftune.tui.app import review as app

            raise typer.Exit(app(found, name))
        done = {one.row for one in reviews.votes(found) if one.reviewer == name}
        every = reviewing.items(samples, name)
        open_ = [item for item in every if item.row not in done]
        if not every:
            terminal.say("Both models answer every row alike: there is nothing to compare.")
        elif not open_:
            terminal.say(
                f"{printable(name)} has voted on every row. Somebody else votes with --reviewer NAME."
            )
        _vote(found, open_, name, quick)
    votes = reviews.votes(found)
    made = reviewing.summed(votes)
    if preferences is not None:
        _write(reviewing.preferences(samples, votes, _asked(found)), preferences)
    if json:
        terminal.write_json(made.document(), "review")
    else:
        for sentence in reviewing.sentences(made):
            terminal.out().print(sentence, soft_wrap=True, markup=False)
    if words := reviews.left_out(found):
        terminal.say(words)


def _asked(run: RunDir) -> dict[tuple[int, str], tuple[Message, ...]]:
    """The messages of each evaluation row's prompt by its number and text; empty where they are gone."""
    from tuiftune.cli.terminal import say
    from tuiftune.errors import UserError
    from tuiftune.evaluate.contender import questions_of
    from tuiftune.jobs.evaluating import of_run

    try:
        _, held, _ = of_run(run)
    except UserError as fault:
        say(f"The rows cannot be read ({fault}): a prompt of several messages is written as one text.")
        return {}
    return {(one.row, one.text): one.messages for one in questions_of(held).questions}


def _vote(run: RunDir, items: list[Item], reviewer: str, quick: bool) -> None:
    """Ask for each row until all are done, or the reviewer stops with Ctrl-C or the end of input."""
    from tuiftune.cli.prompts import prompts
    from tuiftune.cli.terminal import say
    from tuiftune.evaluate.reviewing import CRITERIA, OVERALL, QUESTIONS, Vote
    from tuiftune.runs.store import reviews

    if not items:
        return
    asks = prompts()
    say(f"{len(items)} rows to review. Ctrl-C stops; votes so far are kept.")
    try:
        for number, item in enumerate(items, 1):
            for line in (f"{number} of {len(items)}", item.prompt, "1:", item.left, "2:", item.right):
                for part in line.splitlines() or [""]:
                    say(f"  {part}")
            sides: dict[str, Side] = {OVERALL: _choice(asks, item, "Which answer is better?")}
            note = ""
            if not quick:
                for name in CRITERIA:
                    sides[name] = _choice(asks, item, QUESTIONS[name])
                note = asks.text("Note (Enter for none)", "", why="Free text, kept with the vote.")
            reviews.add(run, Vote(reviewer, item.row, sides, note))
    except (KeyboardInterrupt, EOFError):
        say("Stopped. Run the same command to continue.")


def _choice(asks: Prompts, item: Item, question: str) -> Side:
    from tuiftune.cli.prompts import Choice

    choices = [Choice(key, says) for key, says in SIDES]
    why = "You are not told whose answer is which. Judge the text alone."
    return item.side(asks.choose(question, choices, "tie", why=why))


def _write(rows: list[dict[str, object]], output: Path) -> None:
    import json

    from tuiftune.cli.terminal import say
    from tuiftune.outputs import writing
    from tuiftune.secret_forms import without_secrets

    with writing(output) as file:
        for row in rows:
            file.write(
                (without_secrets(json.dumps(row, ensure_ascii=False)) + "\n").encode("utf-8", "replace")
            )
    say(f"{len(rows)} preference rows written to {output}")
