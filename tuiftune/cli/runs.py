"""`tuiftune runs`, `stop`, `logs` and `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune import paths
from tuiftune.cli import complete
from tuiftune.cli.options import Json, Quiet, Runs
from tuiftune.errors import UserError

Run = Annotated[
    str, typer.Argument(metavar="RUN", help="Name or path of the run.", autocompletion=complete.runs)
]


def runs(
    json: Json = False,
    studies: Annotated[
        bool, typer.Option("--studies", help="List the runs of probes and sweeps instead.")
    ] = False,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", metavar="DIR", help="Directory of the runs. [default: all that are known]"),
    ] = None,
) -> None:
    """List all runs on this machine, newest first; with --runs, those of that directory only."""
    from contextlib import suppress

    from tuiftune.cli import terminal
    from tuiftune.jobs import backend
    from tuiftune.runs.state.summary import summarize
    from tuiftune.runs.store.find import runs_under, study_runs
    from tuiftune.runs.store.registry import unreachable

    found = study_runs(runs) if studies else runs_under(runs)
    for run in found:
        with suppress(UserError):  # a damaged note of its backend
            backend.attend(run, wait=False)
    seen = [summarize(run) for run in found]
    hidden = unreachable() if runs is None else []
    for lost in hidden:
        terminal.say(f"warning: {lost}: not listed, because it cannot be read ({paths.trouble(lost)})")
    if json:
        terminal.write_json({"runs": [summary.document() for summary in seen]}, "runs")
    elif seen:
        from tuiftune.cli.runs_view import show

        show(seen)
    elif hidden:
        terminal.say("No other runs")
    else:
        terminal.say("No runs yet. Start one: `tuiftune demo` or `tuiftune new`")


def stop(
    run: Run,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the run has stopped.")] = True,
    kill: Annotated[
        bool, typer.Option("--kill", help="Kill the run now, without saving a checkpoint.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Stop a run after its current step and save a checkpoint.

    Exit codes: 0 stopped, or not running; 2 no such run, or its process is on another machine.
    """
    from tuiftune.cli.status import standing
    from tuiftune.cli.stopping import stop as carry_out
    from tuiftune.cli.terminal import write_json
    from tuiftune.jobs import backend
    from tuiftune.runs.state.liveness import vitals
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    backend.attend(found)
    running = vitals(found).running
    code = carry_out(found, wait=wait, kill=kill)
    if json:
        asked = ("kill" if kill else "stop") if running else None
        write_json({**standing(found), "asked": asked}, "stop")
    raise typer.Exit(code)


def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing until the run ends.")] = False,
    lines: Annotated[
        int | None, typer.Option("-n", "--lines", min=0, help="Print only this many of the last lines.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also print what libraries write for their own developers.")
    ] = False,
    runs: Runs = None,
) -> None:
    """Print the log of the training process (engine.log)."""
    from tuiftune.cli.engine_log import show
    from tuiftune.jobs import backend
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    backend.attend(found)
    show(found, follow=follow, last=lines, every=every)


def report(
    run: Run,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the report here, with its plot next to it. [default: standard output]",
        ),
    ] = None,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Write a Markdown report: data, settings, reasons and results."""
    import sys

    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import backend
    from tuiftune.outputs import STANDARD
    from tuiftune.runs.reports.report import markdown, write
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    backend.attend(found)
    if json:
        from tuiftune.cli.terminal import write_json
        from tuiftune.runs.reports.report import document

        if output is not None:
            raise UserError("write to different places", place="--json -o", remedy="use one of them")
        with busy("reading the log"):
            told = document(found)
        write_json(told, "report")
        return
    if output is None or str(output) == STANDARD:
        with busy("reading the log"):
            text = markdown(found)
        sys.stdout.write(text)
        return
    with busy("reading the log"):
        written = write(found, output)
    for path in written:
        say(f"Wrote {path}")
