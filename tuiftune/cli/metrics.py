"""`tuiftune metrics`: the metrics of a run as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune.cli import complete
from tuiftune.cli.options import Runs


def metrics(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Name or path of the run.", autocompletion=complete.runs)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="A .csv, .jsonl or .parquet file. [default: CSV on standard output]",
        ),
    ] = None,
    runs: Runs = None,
) -> None:
    """Export a run's metrics as CSV, JSONL or Parquet."""
    import sys
    from contextlib import nullcontext

    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import say
    from tuiftune.figures import plural
    from tuiftune.outputs import STANDARD
    from tuiftune.runs.reports import metrics_table
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    if output is None or str(output) == STANDARD:
        quiet = sys.stdout.isatty()  # the printed rows show the progress
        with nullcontext() if quiet else busy("events") as count:
            metrics_table.write_csv(metrics_table.Table.of(found, count), sys.stdout)
        return
    with busy("events") as count:
        written = metrics_table.export(found, output, count)
    say(f"Wrote {output} ({plural(written, 'row')})")
