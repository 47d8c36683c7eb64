"""`tuiftune plan`: what a preset needs on a machine, whether it fits, how long it takes and what it costs."""

from __future__ import annotations

from typing import Annotated

import typer


def plan(
    preset: Annotated[
        str | None,
        typer.Argument(help="A preset file, or the name of a shipped one; without it, tuiftune's defaults."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key.")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", metavar="NAME[:COUNT]", help="Plan for this card.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Say what a preset needs here, whether it fits, how long it takes and what it costs."""
    from tuiftune.cli import terminal
    from tuiftune.errors import ExitCode
    from tuiftune.plan.document import document
    from tuiftune.plan.inputs import of_named

    made = of_named(preset, set_ or []).plan(gpu)
    if json:
        terminal.write_json(document(made))
    else:
        from tuiftune.cli.plan_view import show

        show(made, terminal.out())
    if not made.fits:
        raise typer.Exit(int(ExitCode.DOES_NOT_FIT))
