"""`tuiftune plan`: predicted GPU memory, time and cost of a preset."""

from __future__ import annotations

from typing import Annotated

import typer

from tuiftune.cli import complete
from tuiftune.cli.preset import Without, check_without


def plan(
    preset: Annotated[
        str | None,
        typer.Argument(
            help="A preset file or the name of a built-in preset. [default: tuiftune's defaults]",
            autocompletion=complete.presets,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a key of the preset (repeatable).",
            autocompletion=complete.settings,
        ),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            metavar="NAME[:COUNT]",
            autocompletion=complete.gpus,
            help="Plan for this GPU instead of this machine's, such as H100 or H100:2.",
        ),
    ] = None,
    without: Without = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Predict the GPU memory, time and cost of a preset.

    Data and a model directory that `tuiftune train` would refuse are refused here too; --without leaves them
    out, and the JSON names them under `without`. Exits with 3 if it does not fit.
    """
    from tuiftune.cli import terminal
    from tuiftune.errors import ExitCode
    from tuiftune.plan.document import document
    from tuiftune.plan.inputs import of_named

    made = of_named(preset, set_ or [], without=check_without(without), say=terminal.say).plan(gpu)
    if json:
        terminal.write_json(document(made), "plan")
    else:
        from tuiftune.cli.plan_view import show

        show(made, terminal.out(), linear=terminal.unwrapped() or None)
    if not made.fits:
        raise typer.Exit(int(ExitCode.DOES_NOT_FIT))
