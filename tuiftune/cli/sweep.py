"""`tuiftune sweep`: runs over a grid of preset keys, one table, and the best preset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune.cli import complete
from tuiftune.cli.options import Json, Quiet, Runs, Settings
from tuiftune.cli.probe import Named


def sweep(
    preset: Named,
    over: Annotated[
        list[str],
        typer.Option(
            "--over",
            metavar="KEY=V1,V2,…",
            help="A preset key and its values (repeatable: every combination is run).",
            autocompletion=complete.settings,
        ),
    ],
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=20, help="Runs of each combination.")] = 1,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of each run. [default: as the preset says]")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.01, help="Stop after this time; the same command continues."),
    ] = None,
    halve: Annotated[
        bool,
        typer.Option(
            "--early-stop/--no-early-stop", help="Stop runs that are clearly behind after a quarter."
        ),
    ] = True,
    set_: Settings = None,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write the best preset here too.")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Train every combination of values, and compare them in one table.

    Uses every GPU, one run on each. The same command continues after an interruption. Exit codes: 0 done, 1
    a run failed (the others are compared) or none came to its end, 2 bad input, 4 stopped by SIGTERM.
    """
    from rich.text import Text

    from tuiftune.cli import study_view, terminal
    from tuiftune.cli.probe import refuse_existing, written
    from tuiftune.jobs.study.standing import cost
    from tuiftune.jobs.sweeping import prepare_sweep
    from tuiftune.preset import file, shipped
    from tuiftune.printable import printable

    wanted = file.load(shipped.find(preset), say=terminal.say)
    if set_:
        wanted = file.override(wanted, set_)
    if write is not None:
        refuse_existing(write)
    sweeping = prepare_sweep(
        wanted, over, runs, seeds=seeds, steps=steps, minutes=minutes, halves=halve, say=terminal.say
    )
    terminal.say(f"{len(sweeping.study.trials)} runs, in {sweeping.study.directory}")
    with study_view.watching() as watch:
        made = sweeping.run(watch)
    if write is not None and made.best is not None:
        written(wanted, dict(made.best.variant.values), write)
    if json:
        terminal.write_json(made.document(), "sweep")
    else:
        terminal.out().print(Text(printable(made.says), style="bold"), soft_wrap=True)
        usd = cost(made.study.seconds, made.usd_per_hour)
        study_view.show(made.study, made.standings, made.best, usd, made.usd_per_hour)
        for note in made.notes:
            terminal.out().print(Text(printable(note)), soft_wrap=True)
        if made.path is not None:
            terminal.say(f"Best preset: {made.path}. Train it: `tuiftune train {made.path}`")
    if study_view.say_failed(made.study) or made.best is None:
        raise typer.Exit(1)
