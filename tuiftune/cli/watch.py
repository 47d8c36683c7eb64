"""`tuiftune watch`: a run live, as dashboard, plain lines or JSON events."""

from __future__ import annotations

from typing import Annotated

import typer

from tuiftune.cli import complete, rented
from tuiftune.cli.options import Runs


def watch(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Run name or path. [default: the newest active run]",
            autocompletion=complete.runs,
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Print lines instead of opening the dashboard.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each event as one line of JSON.")] = False,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="ssh:USER@HOST[:PORT]",
            help="Follow a run of a rented machine that was started from elsewhere.",
        ),
    ] = None,
    sync: rented.Sync = False,
    remote_dir: rented.Directory = None,
    remote_python: rented.Python = None,
    runs: Runs = None,
) -> None:
    """Show the live dashboard of a run; quitting does not stop the run.

    With --plain or --json, follow the run to its end and exit with the run's exit code. With --on: 1 if the
    machine does not answer, 2 for its address, key or login, 3 or 7 for its disk.
    """
    from tuiftune.cli import terminal
    from tuiftune.errors import UserError
    from tuiftune.jobs import backend
    from tuiftune.runs.store.find import find

    if rented.chosen(on, rented.Options(sync=sync, directory=remote_dir, python=remote_python)):
        if run is None:
            raise UserError("no run is named", place="watch", remedy="name it before --on")
        found = rented.attach(run, str(on), remote_dir, remote_python, runs, sync=sync)
    elif on is not None:
        raise UserError(
            "is of use for a rented machine only", place="--on", remedy="write it as ssh:USER@HOST"
        )
    else:
        found = find(run, runs)
        backend.attend(found, again=True)
    if json or plain or terminal.plain():
        from tuiftune.cli.tell import as_json, in_lines

        raise typer.Exit(as_json(found) if json else in_lines(found))
    from tuiftune.tui.app import watch as dashboard

    raise typer.Exit(dashboard(found))
