"""`tuiftune ship`: whether a run's model is good enough, for people and for CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli.options import Json, Runs

if TYPE_CHECKING:
    from tuiftune.jobs.shipping import Shipping

Run = Annotated[str, typer.Argument(metavar="RUN", help="A finished run.")]
Gain = Annotated[
    float | None,
    typer.Option("--min-gain", help="Least gain over the base model: 0.05 is 5 points of a share."),
]
Forgetting = Annotated[
    float | None, typer.Option("--max-forgetting", min=0, help="Most that may be forgotten: 0.02 is 2%.")
]
Price = Annotated[float | None, typer.Option("--max-price", min=0, help="Most US dollars for 1,000 answers.")]
Hour = Annotated[
    float | None, typer.Option("--usd-per-hour", min=0, help="Price of the machine, for --max-price.")
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="FILE", help="Rows to measure on. [default: data.test, else data.eval]"),
]
Metric = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="NAME[=ARG]", help="Metric of the gain; the first counts."),
]
Rows = Annotated[int | None, typer.Option("--rows", min=1, help="Use at most this many rows. [default: all]")]


def ship(
    run: Run,
    min_gain: Gain = None,
    max_forgetting: Forgetting = None,
    max_price: Price = None,
    usd_per_hour: Hour = None,
    data: Data = None,
    metric: Metric = None,
    rows: Rows = None,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Decide whether a run's model is better enough: SHIP (exit 0) or DON'T SHIP (exit 8).

    Name at least one condition: --min-gain, --max-forgetting or --max-price. Other exit codes: 1 the model
    failed, 2 bad input.
    """
    from tuiftune.cli import terminal
    from tuiftune.cli.data_progress import watching
    from tuiftune.errors import ExitCode
    from tuiftune.evaluate.answer_cache import default_directory
    from tuiftune.jobs import deciding, shipping
    from tuiftune.jobs.contenders import Contenders, Target
    from tuiftune.runs.reports import concluded
    from tuiftune.runs.store.find import find

    found = find(run.removeprefix("run:"), runs)
    hour = usd_per_hour if usd_per_hour is not None else found.planned().usd_per_hour
    with watching() as watch, Contenders(terminal.say) as contenders:
        watch("loading the model", None)
        made = shipping.ship(
            contenders,
            Target(found.name, run=found),
            shipping.Limits(min_gain, max_forgetting, max_price, hour),
            data=data,
            metrics=metric,
            rows=rows,
            cache=default_directory(),
            look=lambda questions: deciding.looked_at(default_directory().parent, questions),
            progress=lambda what, done, total: watch(f"{what}: {done:,} of {total:,}", done / total),
        )
    concluded.keep(found, "ship", made.document())
    if json:
        terminal.write_json(made.document(), "ship")
    else:
        _show(made)
    if not made.ships:
        raise typer.Exit(int(ExitCode.DONT_SHIP))


def _show(made: Shipping) -> None:
    from rich.text import Text

    from tuiftune.cli.terminal import out, sign
    from tuiftune.printable import printable

    console = out()
    style = "bold green" if made.ships else "bold red"
    console.print(Text("SHIP" if made.ships else "DON'T SHIP", style=style))
    for one in made.conditions:
        mark = sign("ok" if one.met else "bad")
        console.print(Text(printable(f"{mark} {one.wanted}: {one.measured}")), soft_wrap=True)
    if made.rows_used:
        console.print(Text(f"Gain: {made.rows_used}.", style="dim"), soft_wrap=True)
    for note in made.notes:
        console.print(Text(printable(note)), soft_wrap=True)
