"""`tuiftune watch`: a run live, as dashboard, plain lines or JSON events."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads it
from typing import Annotated

import typer

from tuiftune.cli import complete


def watch(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="Run name or path. [default: the newest active run]",
            autocompletion=complete.runs,
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Print lines instead of opening the dashboard.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each event as one line of JSON.")] = False,
    runs: Annotated[Path | None, typer.Option("--runs", metavar="DIR", help="Directory of the runs.")] = None,
) -> None:
    """Show the live dashboard of a run; quitting does not stop the run.

    With --plain or --json, follow the run to its end and exit with the run's exit code.
    """
    from tuiftune.cli import terminal
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    if json or plain or terminal.plain():
        from tuiftune.cli.tell import as_json, in_lines

        raise typer.Exit(as_json(found) if json else in_lines(found))
    from tuiftune.tui.app import watch as dashboard

    raise typer.Exit(dashboard(found))
