"""`tuiftune data split`: train, validation and test files that share no near-duplicate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune.cli.data import Columns, Files, Format
from tuiftune.cli.options import Json


def split(
    files: Files,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write FILE.train.jsonl, FILE.validation.jsonl and FILE.test.jsonl.",
        ),
    ],
    shares: Annotated[
        str,
        typer.Option(metavar="80/10/10", help="Shares of train, validation and test; 90/10: no test file."),
    ] = "80/10/10",
    seed: Annotated[int, typer.Option(help="Random seed of the split.")] = 42,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the rows; write nothing.")] = False,
    json: Json = False,
    format_: Format = "auto",
    column: Columns = None,
) -> None:
    """Split a dataset into train, validation and test files without leakage.

    Near-duplicates and rows with the same prompt stay in one file, labels keep their shares; rows and seed
    decide, not the order. Rows are not cleaned: see `tuiftune data clean`.
    """
    from tuiftune.cli.data import _columns
    from tuiftune.cli.data_progress import rows_read, watching
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.data.clean.splitting import split_files
    from tuiftune.data.read.load import load
    from tuiftune.figures import percent, plural

    with watching() as watch:
        dataset = load(files, format=format_, columns=_columns(column), progress=rows_read(watch))
        made = split_files(dataset, output, shares, seed, watch, dry_run=dry_run)
    total = sum(rows for rows, _ in made.files.values())
    for path, (rows, _) in made.files.items():
        say(f"{path}: {plural(rows, 'row')} ({percent(rows / total)})")
    if made.left_out:
        say(f"{plural(made.left_out, 'row')} left out: they cannot be trained on (tuiftune data inspect)")
    if (compared := made.about["compared"]) < total:
        say(
            f"{compared:,} of {plural(total, 'row')} were compared for near-duplicates: there is too much "
            "text to compare all"
        )
    if dry_run:
        say("dry run: nothing was written")
    else:
        keys = " ".join(f"--set {key}={path}" for key, path in made.about["preset"].items())
        say(f"Train with them: tuiftune train PRESET {keys}")
    if json:
        write_json(made.about, "data-split")
