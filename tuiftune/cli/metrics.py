"""`tuiftune metrics`: every metric of a run as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[Path | None, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")]


def metrics(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or path of the run.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help=".csv, .jsonl or .parquet; else, and for -, CSV is printed.",
        ),
    ] = None,
    runs: Annotated[Path | None, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")] = None,
) -> None:
    """Write every metric of a run as a table: loss, eval loss, speed, memory, every GPU."""
    import sys
    from contextlib import nullcontext

    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import say
    from tuiftune.outputs import STANDARD
    from tuiftune.runs.reports import metrics_table
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    if output is None or str(output) == STANDARD:
        quiet = sys.stdout.isatty()  # the rows themselves show how it goes
        with nullcontext() if quiet else busy("events") as count:
            metrics_table.write_csv(metrics_table.Table.of(found, count), sys.stdout)
        return
    with busy("events") as count:
        written = metrics_table.export(found, output, count)
    say(f"written: {output} ({written:,} rows)")
