"""`tuiftune plan`: predicted GPU memory, time and cost of a preset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli import complete, task_file
from tuiftune.cli.options import Json, Settings
from tuiftune.cli.preset import Without, check_without

if TYPE_CHECKING:
    from tuiftune.plan.inputs import Inputs
    from tuiftune.plan.model import Plan

ANY = "any"


def plan(
    preset: Annotated[
        str | None,
        typer.Argument(
            metavar="PRESET",
            help="A preset file or the name of a built-in preset. [default: tuiftune's defaults]",
            autocompletion=complete.presets,
        ),
    ] = None,
    set_: Settings = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            metavar="NAME[:COUNT]",
            autocompletion=complete.gpus,
            help="Plan for this GPU instead of this machine's, such as H100:2; any: rank all by cost.",
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            metavar="FILE",
            envvar="TUIFTUNE_PRICES",
            help="With --gpu any: a CSV of your prices (gpu, usd_per_hour, source, date).",
        ),
    ] = None,
    as_: task_file.As = None,
    output: task_file.Output = None,
    region: task_file.Region = None,
    spot: task_file.Spot = True,
    image: task_file.Image = None,
    without: Without = None,
    json: Json = False,
) -> None:
    """Predict the GPU memory, time and cost of a preset.

    Data and a model directory that `tuiftune train` would refuse are refused here too; --without leaves them
    out, and the JSON names them under `without`. Exits with 3 if it does not fit.
    With --as, the plan becomes a task file of another program.
    """
    from tuiftune.cli import terminal
    from tuiftune.errors import ExitCode, UserError
    from tuiftune.models.download import to_download
    from tuiftune.plan.document import document
    from tuiftune.plan.inputs import of_named

    task_file.refuse_without(
        as_, output=output is not None, region=region is not None, image=image is not None, on_demand=not spot
    )
    to_rank = gpu is not None and gpu.strip().lower().partition(":")[0] == ANY
    if to_rank and as_ is not None:
        raise UserError("a task file is for one GPU", place="--gpu", remedy="name it, such as --gpu H100:2")
    inputs = of_named(preset, set_ or [], without=check_without(without), say=terminal.say)
    if gpu is not None and to_rank:
        raise typer.Exit(_rank(inputs, gpu, prices, as_json=json))
    made = inputs.plan(gpu)
    if words := to_download(inputs.model):
        terminal.say(words)
    if as_ is not None:
        if not made.fits:
            raise typer.Exit(_does_not_fit(made))
        task_file.write(inputs, made, as_, task_file.options(region, image, spot=spot), output, json=json)
        return
    if json:
        terminal.write_json(document(made), "plan")
    else:
        from tuiftune.cli.plan_view import show

        show(made, terminal.out(), linear=terminal.unwrapped() or None)
    if not made.fits:
        raise typer.Exit(int(ExitCode.DOES_NOT_FIT))


def _does_not_fit(made: Plan) -> int:
    """Show a plan that no task file is written of. Returns the exit code."""
    from tuiftune.cli import terminal
    from tuiftune.cli.plan_view import show
    from tuiftune.errors import ExitCode

    show(made, terminal.out(), linear=terminal.unwrapped() or None)
    return int(ExitCode.DOES_NOT_FIT)


def _rank(inputs: Inputs, gpu: str, prices: Path | None, *, as_json: bool) -> int:
    """Print the GPUs by what the run costs on them. Returns the exit code: 3 where it fits on none."""
    from tuiftune.cli import gpus_view, terminal
    from tuiftune.cli.data_progress import busy
    from tuiftune.errors import ExitCode
    from tuiftune.hardware import prices as tables
    from tuiftune.plan.device import parse_gpu
    from tuiftune.plan.gpus import COUNTS, choices

    count = parse_gpu(gpu)[1]
    table = tables.known() if prices is None else tables.read(prices)
    with busy("plans") as watch:
        found = choices(inputs.plan, table, (count,) if count else COUNTS, watch)
    if as_json:
        terminal.write_json(gpus_view.document(found, table), "plan-gpus")
    else:
        gpus_view.show(found, table, terminal.out())
    return int(ExitCode.DONE if any(one.fits for one in found) else ExitCode.DOES_NOT_FIT)
