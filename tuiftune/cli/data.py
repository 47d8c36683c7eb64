"""`tuiftune data`: look into a dataset, repair it, see the tokens the trainer will see."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the signatures at run time
from typing import Annotated

import typer

Files = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Files, globs, a directory, or builtin:tickets.")
]
Format = Annotated[str, typer.Option("--format", help="Overrule the recognised format.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="ROLE=NAME", help="Which column plays which role (ROLE=: none does); repeatable."
    ),
]


def _columns(given: list[str] | None) -> dict[str, str]:
    from tuiftune.errors import UserError

    mapped = {}
    for text in given or []:
        role, equals, name = text.partition("=")
        if not equals or not role:
            raise UserError(
                f"{text} is no mapping", place="--column", remedy="write ROLE=NAME, e.g. prompt=question"
            )
        mapped[role] = name
    return mapped


def _folder(model: str | None) -> Path | None:
    """Where a model's tokenizer lies. Raises UserError when the model isn't on this machine."""
    if model is None:
        return None
    from tuiftune.data.tokens import has_tokenizer
    from tuiftune.errors import UserError
    from tuiftune.models.resolve import resolve

    path = resolve(model).path
    if not has_tokenizer(path):
        raise UserError("its tokenizer is not on this machine", place=model, remedy="name a local directory")
    return path


def inspect(
    files: Files,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a page with plots; - is standard output."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="A base model that is here: count with its tokenizer."),
    ] = None,
    max_length: Annotated[int, typer.Option(help="Tokens a row is cut at.")] = 2048,
    evaluation: Annotated[str, typer.Option("--eval", help="Share held out, or a file.")] = "0.05",
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Say what a dataset is and what is wrong with it."""
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import out, write_json
    from tuiftune.data.inspect import inspect as judge
    from tuiftune.data.read.load import load
    from tuiftune.errors import UserError
    from tuiftune.outputs import STANDARD

    on_standard = html is not None and str(html) == STANDARD
    if json and on_standard:
        raise UserError(
            "both write to standard output", place="--json --html -", remedy="write one to a file"
        )
    with watching() as watch:
        dataset = load(
            files,
            format=format_,
            columns=_columns(column),
            progress=lambda rows: watch(f"{rows:,} rows read", None),
        )
        found = judge(
            dataset, tokenizer=_folder(model), max_length=max_length, eval_spec=evaluation, watch=watch
        )
    if html is not None:
        from tuiftune.data.report.page import page
        from tuiftune.outputs import writing

        with writing(html) as file:
            file.write(page(found).encode())
    if json:
        write_json(found.document())
    elif not on_standard:
        from tuiftune.data.report.terminal import render

        render(found, out())


def clean(
    files: Files,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where the repaired rows go (JSONL); - is standard output."
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(metavar="80/10/10", help="Also split: FILE.train.jsonl, FILE.validation.jsonl …"),
    ] = None,
    near: Annotated[
        bool, typer.Option("--near", help="Near-duplicates too: the first of each group stays.")
    ] = False,
    duplicates: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="drop exact ones, or merge rows that ask the same too: the answer most of them give stays, "
            "else the longest; of near-duplicates the fullest.",
        ),
    ] = "drop",
    mask: Annotated[
        str, typer.Option(metavar="WHAT", help="Mask: none, secrets, or all (personal data too).")
    ] = "secrets",
    outliers: Annotated[
        str, typer.Option(metavar="HOW", help="Length outliers: keep, drop or trim.")
    ] = "keep",
    against: Annotated[
        str | None, typer.Option(metavar="FILE", help="Drop rows that are (nearly) in this evaluation set.")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Drop the rows that a check flags, e.g. refusals; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides the split, with the content.")] = 42,
    json: Annotated[bool, typer.Option("--json", help="The manifest on standard output.")] = False,
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Write the repaired rows; say what was removed and why. The original stays as it is."""
    from typing import get_args

    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import err, write_json
    from tuiftune.data.clean.merge import Duplicates
    from tuiftune.data.clean.removal import Outliers
    from tuiftune.data.clean.repair import Mask
    from tuiftune.data.clean.run import Settings
    from tuiftune.data.clean.run import clean as repair
    from tuiftune.data.read.load import load
    from tuiftune.data.report.changes import render
    from tuiftune.errors import UserError
    from tuiftune.outputs import STANDARD

    for option, value, allowed in (
        ("--mask", mask, get_args(Mask)),
        ("--outliers", outliers, get_args(Outliers)),
        ("--duplicates", duplicates, get_args(Duplicates)),
    ):
        if value not in allowed:
            raise UserError(f"{value} is no choice", place=option, remedy="one of " + ", ".join(allowed))
    if json and str(output) == STANDARD:
        raise UserError("both write to standard output", place="--json -o -", remedy="write one to a file")
    dropped = tuple(drop or ())
    settings = Settings(mask, near, duplicates, outliers, split, against, seed, dropped)  # type: ignore[arg-type]
    with watching() as watch:
        dataset = load(
            files,
            format=format_,
            columns=_columns(column),
            progress=lambda rows: watch(f"{rows:,} rows read", None),
        )
        done = repair(dataset, output, settings, watch)
    if json:
        write_json(done.about)
    render(done, err())


def tokens(
    files: Files,
    model: Annotated[
        str, typer.Option("--model", metavar="M", help="The base model whose tokenizer is used.")
    ],
    row: Annotated[int, typer.Option("--row", metavar="N", help="Which usable row, counted from 1.")] = 1,
    max_length: Annotated[int, typer.Option(help="Tokens a row is cut at.")] = 2048,
    loss_on: Annotated[str, typer.Option(help="What is learnt: assistant, completion or all.")] = "assistant",
    system: Annotated[str | None, typer.Option(help="System message for rows that have none.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Show the very tokens and loss mask the trainer will see, and what inference will send."""
    from tuiftune import documents, engine_call
    from tuiftune.cli.data_tokens import render
    from tuiftune.cli.terminal import out, plain, unicode, write_json

    arguments = ["--model", model, "--row", str(row), "--max-length", str(max_length)]
    arguments += ["--loss-on", loss_on, "--format", format_, *(f"--column={pair}" for pair in column or [])]
    arguments += [f"--system={system}"] if system else []
    job = engine_call.Job("tokens", (*arguments, "--", *files))
    document = documents.loads(engine_call.ask(job) or b"{}")
    if json:
        write_json(document)
    else:
        render(document, out(), colour=not plain() and not out().no_color, unicode=unicode())
