"""`tuiftune probe`: short runs over learning rates on the user's rows, and the rate to take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli import complete
from tuiftune.cli.options import Json, Quiet, Runs, Settings

if TYPE_CHECKING:
    from tuiftune.jobs.probing import Probe
    from tuiftune.preset.schema import Preset

Named = Annotated[
    str,
    typer.Argument(
        metavar="PRESET",
        help="A preset file, the name of a built-in preset, or - for a pipe.",
        autocompletion=complete.presets,
    ),
]
Minutes = Annotated[
    float,
    typer.Option("--minutes", min=0.01, help="Stop measuring after this time; the same command continues."),
]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Steps of each run. [default: by --minutes and the plan]")
]
Write = Annotated[
    Path | None, typer.Option("--write", metavar="FILE", help="Write the preset with the values to take.")
]


def probe(
    preset: Named,
    rates: Annotated[
        str | None,
        typer.Option("--rates", metavar="R1,R2,…", help="Learning rates. [default: five around the plan's]"),
    ] = None,
    ranks: Annotated[
        str | None, typer.Option("--ranks", metavar="N1,N2,…", help="LoRA ranks to try with each rate.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=20, help="Runs of each rate.")] = 2,
    steps: Steps = None,
    minutes: Minutes = 10.0,
    set_: Settings = None,
    write: Write = None,
    quiet: Quiet = False,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Measure which learning rate these rows want, by short runs with early stopping.

    The same command continues after an interruption. Exit codes: 0 done, 1 a run failed (the others are
    compared) or nothing could be measured, 2 bad input, 4 stopped by SIGTERM.
    """
    from tuiftune.cli import study_view, terminal
    from tuiftune.jobs.probing import prepare_probe
    from tuiftune.preset import file, shipped

    wanted = file.load(shipped.find(preset), say=terminal.say)
    if set_:
        wanted = file.override(wanted, set_)
    if write is not None:
        refuse_existing(write)
    probing = prepare_probe(
        wanted,
        runs,
        rates=numbers(rates, "--rates", float),
        ranks=[int(one) for one in numbers(ranks, "--ranks", int)],
        seeds=seeds,
        steps=steps,
        minutes=minutes,
        say=terminal.say,
    )
    study = probing.study
    most = f"{len(study.trials)} runs of {study.steps} steps at most"
    terminal.say(f"{most}, within {minutes:g} min, in {study.directory}")
    with study_view.watching() as watch:
        made = probing.run(watch)
    if write is not None and made.values:
        written(wanted, made.values, write)
    if json:
        terminal.write_json(made.document(), "probe")
    else:
        _show(made)
    if study_view.say_failed(made.study) or made.chosen is None:
        raise typer.Exit(1)


def _show(made: Probe) -> None:
    from rich.text import Text

    from tuiftune.cli import study_view
    from tuiftune.cli.terminal import out
    from tuiftune.jobs.study.standing import cost
    from tuiftune.printable import printable

    out().print(Text(printable(made.says), style="bold"), soft_wrap=True)
    study_view.show(made.study, made.standings, made.chosen, cost(made.study.seconds, made.usd_per_hour))
    for note in made.notes:
        out().print(Text(printable(note)), soft_wrap=True)


def refuse_existing(path: Path) -> None:
    """UserError for a file that is there, before anything is measured."""
    from tuiftune import paths
    from tuiftune.errors import UserError
    from tuiftune.printable import printable

    if paths.exists(path):
        raise UserError("already exists", place=printable(str(path)), remedy="name another file with --write")


def written(preset: Preset, values: dict[str, object], path: Path) -> None:
    """Write the preset with these values, and say so."""
    from tuiftune.cli.terminal import say
    from tuiftune.preset.file import save

    save(preset.with_values(values), path)
    say(f"Wrote {path}. Train with it: `tuiftune train {path}`")


def numbers(text: str | None, place: str, kind: type[int] | type[float]) -> list[float]:
    """Return the numbers of a list with commas. UserError for anything else."""
    from tuiftune.errors import UserError
    from tuiftune.printable import printable

    found = []
    for part in (text or "").split(",") if text is not None else ():
        try:
            number = kind(part.strip())
        except ValueError:
            number = kind(0)
        if not 0 < number < float("inf"):
            example = "8,16,64" if kind is int else "1e-4,3e-4"
            raise UserError(
                f"{printable(part.strip())!r} is not a positive number",
                place=place,
                remedy=f"write them with commas: {example}",
            )
        found.append(number)
    return found
