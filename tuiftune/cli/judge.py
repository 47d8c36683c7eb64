"""`tuiftune judge`: a language model compares two contenders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli.options import Json, Runs

if TYPE_CHECKING:
    from tuiftune.evaluate.judging import Judged

First = Annotated[str, typer.Argument(metavar="RUN|MODEL|ENDPOINT", help="The first side.")]
Second = Annotated[
    str,
    typer.Option("--against", metavar="OTHER", help="The second side; `base` is the first one's base model."),
]
By = Annotated[
    str, typer.Option("--judge", metavar="URL|MODEL", help="The judge: an endpoint's URL, or a local model.")
]
ByModel = Annotated[
    str | None,
    typer.Option("--judge-model", metavar="NAME", help="The model that the judge's endpoint is asked for."),
]
EndpointModel = Annotated[
    str | None,
    typer.Option("--endpoint-model", metavar="NAME", help="The model that a side's endpoint is asked for."),
]
Data = Annotated[
    Path,
    typer.Option("--data", metavar="FILE", help='Prompts: your rows, or JSONL with {"turns": ["…", "…"]}.'),
]
Rubric = Annotated[Path | None, typer.Option("--rubric", metavar="FILE", help="What makes an answer better.")]
Votes = Annotated[
    Path | None,
    typer.Option("--votes", metavar="FILE", help='Human votes, JSONL with {"row": 3, "vote": "A"}.'),
]
Rows = Annotated[
    int | None, typer.Option("--rows", min=1, help="Use at most this many prompts. [default: all]")
]
NewTokens = Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest answer of a side.")]


def judge(
    first: First,
    by: By,
    data: Data,
    against: Second = "base",
    judge_model: ByModel = None,
    endpoint_model: EndpointModel = None,
    rubric: Rubric = None,
    votes: Votes = None,
    rows: Rows = None,
    max_new_tokens: NewTokens = 512,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Let a language model compare two sides in both orders, and report its biases.

    Answers and judgments are kept, so the same command continues after an interruption. Exit codes: 0 done,
    1 a side or the judge failed, 2 bad input.
    """
    from tuiftune.cli import terminal
    from tuiftune.cli.data_progress import watching
    from tuiftune.errors import UserError
    from tuiftune.evaluate.answer_cache import default_directory
    from tuiftune.jobs import judging
    from tuiftune.jobs.contenders import Contenders
    from tuiftune.jobs.contenders import target as meant

    asked, left_out = judging.asked_of(data, rows)
    criteria = judging.rubric_of(rubric)
    voted = None if votes is None else judging.votes_of(votes)
    notes = [words for words in (left_out, judging.unmatched(voted or {}, asked)) if words]
    one = meant(first, runs)
    with watching() as watch, Contenders(terminal.say) as contenders:
        watch("loading models", None)
        side = contenders.responder(one, endpoint_model)
        if against == "base":
            other = contenders.base_of(one)
            if other is None:
                raise UserError("has no base model here", place=first, remedy="add --against OTHER")
        else:
            other = contenders.responder(meant(against, runs), endpoint_model)
        made, _ = judging.judge(
            side,
            other,
            contenders.responder(meant(by, runs), judge_model),
            asked,
            rubric=criteria,
            votes=voted,
            max_new_tokens=max_new_tokens,
            cache=default_directory(),
            progress=lambda what, done, total: watch(f"{what}: {done:,} of {total:,}", done / total),
        )
    if json:
        sides = {"first": side.name, "second": other.name, "notes": [*notes, *contenders.notes]}
        terminal.write_json({**sides, **made.document()}, "judge")
    else:
        _show(made, side.name, other.name, notes)


def _show(made: Judged, first: str, second: str, notes: list[str]) -> None:
    from rich.text import Text

    from tuiftune.cli.terminal import out

    console = out()
    lines = sentences(made, first, second)
    console.print(Text(lines[0], style="bold"), soft_wrap=True)
    for line in (*lines[1:], *notes):
        console.print(Text(line), soft_wrap=True)


def sentences(made: Judged, first: str, second: str) -> list[str]:
    """Return what the judgments show, and how far the judge can be trusted."""
    from tuiftune.evaluate.statistics import in_words
    from tuiftune.printable import printable

    one, other = printable(first), printable(second)
    told = [
        f"{one} wins {made.wins}, {other} wins {made.losses}, {made.ties} ties: {in_words(made.p)}.",
    ]
    if made.win_rate is not None:
        words = f"Win rate {made.win_rate:.1%}, ties counted half"
        if made.interval is not None:
            low, high = made.interval
            words += f"; {low:.0%} to {high:.0%} of the decided rows (95% CI)"
        told.append(f"{words}.")
    if made.consistent is not None:
        told.append(f"The judge agrees with itself in both orders on {made.consistent:.0%} of the rows.")
    if made.position is not None:
        told.append(
            f"It prefers the answer shown first in {made.position:.0%} of its choices (no bias: 50%)."
        )
    if made.longer is not None:
        told.append(f"The longer answer wins {made.longer:.0%} of the decided rows.")
    if made.agreement is not None:
        kappa = "" if made.kappa is None else f", Cohen's kappa {made.kappa:.2f}"
        told.append(f"It agrees with people on {made.agreement:.0%} of {made.voted} rows{kappa}.")
    if made.unreadable:
        told.append(f"{made.unreadable} rows are left out: its judgment could not be read.")
    return told
