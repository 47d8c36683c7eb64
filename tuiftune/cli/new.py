"""`tuiftune` and `tuiftune new`: the app, or the same questions as plain prompts."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer evaluates the annotations)
from typing import Annotated

import typer


def app() -> None:
    """`tuiftune` alone: the app's home screen; the wizard in plain lines on a dumb terminal. Without any
    terminal, what one can do instead."""
    from tuiftune import terminal

    if terminal.dumb():
        from tuiftune.cli.plain import ask
        from tuiftune.wizard.draft import Draft

        raise typer.Exit(ask(Draft(), None))
    if terminal.plain():
        from tuiftune.errors import UserError

        raise UserError(
            "this is no terminal that the app can be shown in",
            remedy="`tuiftune new --plain` asks the same in plain lines; `tuiftune --help` lists it all",
        )
    from tuiftune.tui.app import run_app

    raise typer.Exit(run_app())


def new(
    preset: Annotated[
        str | None, typer.Argument(metavar="[PRESET]", help="A preset file or shipped name.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain questions instead of the app.")] = False,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", metavar="DIR", help="Where runs are kept; ./runs or $TUIFTUNE_RUNS."),
    ] = None,
) -> None:
    """Set up a run step by step: machine, goal, data, model and method, review.

    Nothing is written before the end.
    """
    from tuiftune import terminal
    from tuiftune.wizard.draft import Draft

    draft = Draft()
    if preset is not None:
        from tuiftune.preset import file, shipped

        draft = Draft.of(file.load(shipped.find(preset)))
    if plain or terminal.plain():
        from tuiftune.cli.plain import ask

        raise typer.Exit(ask(draft, runs))
    from tuiftune.tui.app import run_app

    raise typer.Exit(run_app(draft=draft, wizard=True, runs_root=runs))
