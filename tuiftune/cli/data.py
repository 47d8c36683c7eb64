"""`tuiftune data inspect`, `clean` and `tokens`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune.cli.options import Json, Quiet

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Files, globs, a directory, or builtin:tickets (built-in)."),
]
Format = Annotated[str, typer.Option("--format", help="The data format, if it is detected wrongly.")]
MaxLength = Annotated[int, typer.Option(help="Max tokens per row. Longer rows are truncated.")]
Evaluation = Annotated[
    str,
    typer.Option("--eval", help="Evaluation set: a fraction of the rows, such as 0.05, or a file."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        help="The column for a role, such as prompt=question (ROLE=: no column). Repeatable.",
    ),
]


def _columns(given: list[str] | None) -> dict[str, str]:
    from tuiftune.errors import UserError

    mapped = {}
    for text in given or []:
        role, equals, name = text.partition("=")
        if not equals or not role:
            raise UserError(
                f'"{text}" is not of the form ROLE=NAME',
                place="--column",
                remedy="write it like prompt=question",
            )
        mapped[role] = name
    return mapped


def _tokenizer(model: str | None) -> Path | None:
    """Return the directory of a model's tokenizer, downloaded if need be. UserError if there is none."""
    if model is None:
        return None
    from tuiftune.data.tokens import has_tokenizer
    from tuiftune.errors import UserError
    from tuiftune.models import download
    from tuiftune.models.resolve import resolve

    download.bring(model, weights=False)
    path = resolve(model).path
    if not has_tokenizer(path):
        raise UserError(
            "this model's tokenizer is not on this machine",
            place=model,
            remedy="download the model first, or name a local directory",
        )
    return path


def inspect(
    files: Files,
    json: Json = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write an HTML report (-: standard output)."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="M", help="Base model whose tokenizer counts the tokens."),
    ] = None,
    max_length: MaxLength = 2048,
    evaluation: Evaluation = "0.05",
    fail_on: Annotated[
        str | None,
        typer.Option("--fail-on", metavar="SEVERITY", help="Exit with 1 on an error, or on a warning too."),
    ] = None,
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Inspect a dataset: format, token lengths and problems.

    With --fail-on, exit code 1 means that a check found something; 2, that the files cannot be read.
    """
    from tuiftune.cli.data_progress import rows_read, watching
    from tuiftune.cli.terminal import out, write_json
    from tuiftune.data.inspect import inspect as judge
    from tuiftune.data.read.load import load
    from tuiftune.errors import ExitCode, UserError
    from tuiftune.outputs import STANDARD

    if fail_on not in (None, "error", "warning"):
        raise UserError(f"{fail_on} is not a severity", place="--fail-on", remedy="error or warning")
    on_standard = html is not None and str(html) == STANDARD
    if json and on_standard:
        raise UserError(
            "both would write to standard output", place="--json --html -", remedy="write one to a file"
        )
    with watching() as watch:
        dataset = load(
            files,
            format=format_,
            columns=_columns(column),
            progress=rows_read(watch),
            keep_going=True,
        )
        found = judge(
            dataset, tokenizer=_tokenizer(model), max_length=max_length, eval_spec=evaluation, watch=watch
        )
    if html is not None:
        from tuiftune.data.report.page import page
        from tuiftune.outputs import writing

        with writing(html) as file:
            file.write(page(found).encode())
    if json:
        write_json(found.document(), "data-inspect")
    elif not on_standard:
        from tuiftune.data.report.terminal import render

        render(found, out())
    if fail_on is not None and not found.sound(fail_on):
        raise typer.Exit(int(ExitCode.FAILED))


def clean(
    files: Files,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the clean rows here (JSONL; -: standard output)."
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            metavar="80/10/10",
            help="Also split into FILE.train.jsonl, FILE.validation.jsonl and FILE.test.jsonl.",
        ),
    ] = None,
    near: Annotated[
        bool,
        typer.Option("--near", help="Also drop near-duplicates, keeping the first row of each group."),
    ] = False,
    duplicates: Annotated[
        str,
        typer.Option(
            metavar="HOW",
            help="drop: drop exact duplicates. merge: also merge rows with the same prompt, keeping the most "
            "common answer, else the longest.",
        ),
    ] = "drop",
    redact: Annotated[
        str, typer.Option(metavar="WHAT", help="Redact: none, secrets, or all (also personal data).")
    ] = "secrets",
    mask: Annotated[str | None, typer.Option(hidden=True, help="The former name of --redact.")] = None,
    outliers: Annotated[
        str, typer.Option(metavar="HOW", help="Rows far longer than the others: keep, drop or trim.")
    ] = "keep",
    against: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Drop rows that also appear, or nearly, in this evaluation set."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHECK", help="Drop the rows flagged by this check, such as refusals. Repeatable."
        ),
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="HOW", help="Near-identical labels such as LOGIN and login: keep, or merge into one."
        ),
    ] = "keep",
    seed: Annotated[int, typer.Option(help="Random seed of the split.")] = 42,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be dropped and changed; write nothing.")
    ] = False,
    quiet: Quiet = False,
    json: Annotated[bool, typer.Option("--json", help="Print the manifest on standard output.")] = False,
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Clean a dataset into a new file, and list every change."""
    from typing import get_args

    from tuiftune.cli.data_progress import rows_read, watching
    from tuiftune.cli.terminal import err, write_json
    from tuiftune.data.clean.labels import Labels
    from tuiftune.data.clean.merge import Duplicates
    from tuiftune.data.clean.removal import Outliers
    from tuiftune.data.clean.repair import Mask
    from tuiftune.data.clean.run import Settings
    from tuiftune.data.clean.run import clean as repair
    from tuiftune.data.read.load import load
    from tuiftune.data.report.changes import render
    from tuiftune.errors import UserError
    from tuiftune.outputs import STANDARD

    redact = redact if mask is None else mask
    for option, value, allowed in (
        ("--redact", redact, get_args(Mask)),
        ("--labels", labels, get_args(Labels)),
        ("--outliers", outliers, get_args(Outliers)),
        ("--duplicates", duplicates, get_args(Duplicates)),
    ):
        if value not in allowed:
            raise UserError(
                f'"{value}" is not a valid value', place=option, remedy=f"use one of: {', '.join(allowed)}"
            )
    if json and str(output) == STANDARD:
        raise UserError(
            "both would write to standard output", place="--json -o -", remedy="write one to a file"
        )
    dropped = tuple(drop or ())
    settings = Settings(redact, near, duplicates, outliers, split, against, seed, dropped, labels)  # type: ignore[arg-type]
    with watching() as watch:
        dataset = load(
            files,
            format=format_,
            columns=_columns(column),
            progress=rows_read(watch),
            keep_going=True,
        )
        done = repair(dataset, output, settings, watch, dry_run=dry_run)
    if json:
        write_json(done.about, "data-clean")
    render(done, err())


def _kept(file: str) -> str:
    """Return the file that another process reads: of a pipe, the copy of what it held."""
    from pathlib import Path

    from tuiftune import spool

    return str(spool.regular(Path(file))) if spool.is_stream(file) else file


def tokens(
    files: Files,
    model: Annotated[str, typer.Option("--model", metavar="M", help="Base model whose tokenizer is used.")],
    row: Annotated[
        int, typer.Option("--row", metavar="N", help="Which row, counted from 1 among the usable ones.")
    ] = 1,
    max_length: MaxLength = 2048,
    loss_on: Annotated[
        str, typer.Option(help="Tokens used in the loss: assistant, completion or all.")
    ] = "assistant",
    system: Annotated[str | None, typer.Option(help="System message for rows without one.")] = None,
    reasoning: Annotated[
        str, typer.Option(help="Reasoning in answers: keep, mask, drop or last, as data.reasoning.")
    ] = "keep",
    json: Json = False,
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Show a row's training tokens, loss mask and inference prompt.

    The tokens come from the preprocessing used in training.
    """
    from tuiftune import documents, engine_call
    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.data_tokens import render
    from tuiftune.cli.terminal import out, plain, unicode, write_json
    from tuiftune.models import download

    download.bring(model, weights=False)
    arguments = ["--model", model, "--row", str(row), "--max-length", str(max_length)]
    arguments += ["--loss-on", loss_on, "--format", format_, *(f"--column={pair}" for pair in column or [])]
    arguments += [f"--system={system}"] if system else []
    arguments += [] if reasoning == "keep" else ["--reasoning", reasoning]
    job = engine_call.Job("tokens", (*arguments, "--", *map(_kept, files)))
    with busy("tokenizing"):
        document = documents.loads(engine_call.ask(job) or b"{}")
    if json:
        write_json(document, "data-tokens")
    else:
        render(document, out(), color=not plain() and not out().no_color, unicode=unicode())
