"""`tuiftune data review`: what a served model answered becomes rows, once a person has looked at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tuiftune.chat.log_review import Logged, Reviewed

Log = Annotated[Path, typer.Argument(metavar="FILE", help="What `tuiftune serve --log-requests FILE` wrote.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write kept and corrected answers as chat rows."),
]
ToPairs = Annotated[
    Path | None,
    typer.Option("--preferences", metavar="FILE", help="Write corrections as preference rows."),
]
Sample = Annotated[
    int | None, typer.Option("--sample", min=1, help="Review this many at random. [default: all]")
]
Seed = Annotated[int, typer.Option(help="Seed of the sample.")]
VERDICTS = (
    ("keep", "keep it as a row"),
    ("correct", "correct the answer"),
    ("drop", "drop it"),
)


def review(
    log: Log, output: Output = None, preferences: ToPairs = None, sample: Sample = None, seed: Seed = 0
) -> None:
    """Review the requests that a served model answered: keep, correct or drop each, and write rows.

    Decisions are kept one by one next to the log: the same command continues where you stopped. Exit codes:
    0 done, 2 bad input.
    """
    from tuiftune.chat import log_review
    from tuiftune.cli.terminal import say
    from tuiftune.figures import plural
    from tuiftune.outputs import keep_apart

    keep_apart((output, preferences), (log,))
    rows = log_review.read(log)
    chosen = log_review.sample(rows, sample, seed)
    said = log_review.verdicts(log)
    _ask(log, [row for row in chosen if row.key not in said])
    said = log_review.verdicts(log)
    counts = {name: sum(one.verdict == name for one in said.values()) for name, _ in VERDICTS}
    say(
        f"{plural(len(rows), 'request')}: {counts['keep']} kept, {counts['correct']} corrected, "
        f"{counts['drop']} dropped, {sum(row.key not in said for row in rows)} not reviewed"
    )
    if output is not None:
        _write(log_review.rows_of(rows, said), output, "row")
    if preferences is not None:
        _write(log_review.preferences_of(rows, said), preferences, "preference row")


def _ask(log: Path, rows: list[Logged]) -> None:
    """Ask for each request until all are done, or the reviewer stops with Ctrl-C or the end of input."""
    from tuiftune.chat import log_review
    from tuiftune.cli.prompts import prompts
    from tuiftune.cli.terminal import say
    from tuiftune.printable import printable

    if not rows:
        return
    asks = prompts()
    say(f"{len(rows)} requests to review. Ctrl-C stops; what you said so far is kept.")
    try:
        for number, row in enumerate(rows, 1):
            say(f"{number} of {len(rows)}")
            for message in row.messages:
                say(f"  {message.get('role')}:")
                for line in printable(str(message.get("content") or ""), lines=True).splitlines():
                    say(f"    {line}")
            log_review.say(log, row, _verdict(asks, row))
    except (KeyboardInterrupt, EOFError):
        say("Stopped. Run the same command to continue.")


def _verdict(asks: Any, row: Logged) -> Reviewed:
    from tuiftune.chat.log_review import Reviewed
    from tuiftune.cli.prompts import Choice

    choices = [Choice(key, says) for key, says in VERDICTS]
    why = "A row that is kept is trained on as it stands: is the last answer the one you want?"
    verdict: Any = asks.choose("What about this answer?", choices, "keep", why=why)
    if verdict != "correct":
        return Reviewed(verdict)
    answer = asks.text("The answer it should have given", row.answer, why="It takes the old one's place.")
    return Reviewed("correct", answer)


def _write(rows: list[dict[str, Any]], output: Path, what: str) -> None:
    import json

    from tuiftune.cli.terminal import say
    from tuiftune.figures import plural
    from tuiftune.outputs import writing
    from tuiftune.secret_forms import without_secrets

    with writing(output) as file:
        for row in rows:
            file.write(
                (without_secrets(json.dumps(row, ensure_ascii=False)) + "\n").encode("utf-8", "replace")
            )
    say(f"{plural(len(rows), what)} written to {output}")
