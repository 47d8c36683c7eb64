"""`tuiftune` and `tuiftune new`: the app, or the wizard as plain prompts."""

from __future__ import annotations

from typing import Annotated

import typer

from tuiftune.cli.options import Runs


def app() -> None:
    """Open the home screen of the app; on a dumb terminal, the wizard as plain prompts.

    Raises UserError with the alternatives if there is no terminal.
    """
    from tuiftune import terminal

    if terminal.dumb():
        from tuiftune.cli.plain import ask
        from tuiftune.wizard.draft import Draft

        raise typer.Exit(ask(Draft(), None))
    if terminal.plain():
        from tuiftune.errors import UserError

        raise UserError(
            "the app needs an interactive terminal",
            remedy="use plain prompts: `tuiftune new --plain`; or list the commands: `tuiftune --help`",
        )
    from tuiftune.tui.app import run_app

    raise typer.Exit(run_app())


def new(
    preset: Annotated[
        str | None,
        typer.Argument(
            metavar="[PRESET]", help="Preset to start from: a file, or the name of a built-in preset."
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Ask in plain lines instead of opening the app.")
    ] = False,
    runs: Runs = None,
) -> None:
    """Create a preset step by step, then save it or start training.

    Nothing is written before the last step.
    """
    from tuiftune import terminal
    from tuiftune.wizard.draft import Draft

    draft = Draft()
    if preset is not None:
        from tuiftune.cli.terminal import say
        from tuiftune.preset import file, shipped

        draft = Draft.of(file.load(shipped.find(preset), say=say))
    if plain or terminal.plain():
        from tuiftune.cli.plain import ask

        raise typer.Exit(ask(draft, runs))
    from tuiftune.tui.app import run_app

    raise typer.Exit(run_app(draft=draft, wizard=True, runs_root=runs))
