"""`tuiftune runs`, `stop`, `logs`, `report`: the runs there are, and what can be asked of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune import paths

Run = Annotated[str, typer.Argument(metavar="RUN", help="Name or path of the run.")]
Runs = Annotated[Path | None, typer.Option("--runs", metavar="DIR", help="Where runs are kept.")]


def runs(
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    runs: Runs = None,
) -> None:
    """List the runs here and those started elsewhere on this machine, latest first."""
    from tuiftune.cli import terminal
    from tuiftune.runs.state.summary import summarise
    from tuiftune.runs.store.find import all_runs
    from tuiftune.runs.store.registry import unreachable

    seen = [summarise(run) for run in all_runs(runs)]
    for lost in unreachable():
        terminal.say(f"can't be looked at, and is left out: {lost} ({paths.trouble(lost)})")
    if json:
        terminal.write_json({"runs": [summary.document() for summary in seen]})
    elif seen:
        from tuiftune.cli.runs_view import show

        show(seen)
    else:
        terminal.say("no runs yet; `tuiftune demo` makes one")


def stop(
    run: Run,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it has ended.")] = True,
    kill: Annotated[bool, typer.Option("--kill", help="End it at once; nothing is saved.")] = False,
    runs: Runs = None,
) -> None:
    """End a run in good order: it saves a checkpoint, and can be resumed."""
    from tuiftune.cli.stopping import stop as carry_out
    from tuiftune.runs.store.find import find

    raise typer.Exit(carry_out(find(run, runs), wait=wait, kill=kill))


def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run ends.")] = False,
    lines: Annotated[int | None, typer.Option("-n", "--lines", min=0, help="Only the last lines.")] = None,
    runs: Runs = None,
) -> None:
    """Print what the engine and its libraries wrote (engine.log)."""
    from tuiftune.cli.engine_log import show
    from tuiftune.runs.store.find import find

    show(find(run, runs), follow=follow, last=lines)


def report(
    run: Run,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write it there, its plot beside it; - is standard output."
        ),
    ] = None,
    runs: Runs = None,
) -> None:
    """Say what was run, on which data, with which settings and why, and what came of it (Markdown)."""
    import sys

    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import say
    from tuiftune.outputs import STANDARD
    from tuiftune.runs.reports.report import markdown, write
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    if output is None or str(output) == STANDARD:
        with busy("reading the log"):
            text = markdown(found)
        sys.stdout.write(text)
        return
    with busy("reading the log"):
        written = write(found, output)
    for path in written:
        say(f"written: {path}")
