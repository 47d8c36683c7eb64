"""`tuiftune watch`: the live dashboard of a run, or its story in plain lines, or its events as they come."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads it
from typing import Annotated

import typer


def watch(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Name or path; else the latest that runs.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines instead of the dashboard.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Each event as one line of JSON.")] = False,
    runs: Annotated[Path | None, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")] = None,
) -> None:
    """Show a run live; leaving doesn't end it.

    With --plain or --json it follows to the end of the run and exits with the run's code.
    """
    from tuiftune.cli import terminal
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    if json or plain or terminal.plain():
        from tuiftune.cli.tell import as_json, in_lines

        raise typer.Exit(as_json(found) if json else in_lines(found))
    from tuiftune.tui.app import watch as dashboard

    raise typer.Exit(dashboard(found))
