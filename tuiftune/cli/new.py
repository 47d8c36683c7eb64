"""`tuiftune` and `tuiftune new`: the app, or the wizard as plain prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli.options import Runs

if TYPE_CHECKING:
    from tuiftune.wizard.draft import Draft


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
            metavar="PRESET|DATA",
            help="Start from a preset (a file or built-in name), or with data (a file, directory, hf:ID).",
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

    draft = Draft() if preset is None else _beginning(preset)
    if plain or terminal.plain():
        from tuiftune.cli.plain import ask

        raise typer.Exit(ask(draft, runs))
    from tuiftune.tui.app import run_app

    raise typer.Exit(run_app(draft=draft, wizard=True, runs_root=runs))


def _beginning(given: str) -> Draft:
    """The draft to start from: a preset's, or one with the data that is named."""
    from tuiftune import paths
    from tuiftune.cli.terminal import say
    from tuiftune.data.read.kinds import SUFFIX_KINDS, suffix_of
    from tuiftune.preset import file, shipped
    from tuiftune.wizard.draft import Draft

    path = paths.given(given)
    text = paths.is_file(path) and SUFFIX_KINDS.get(suffix_of(path)) == "text"
    if given.startswith(("hf:", "builtin:")) or paths.is_dir(path) or text or file.holds_rows(path):
        return Draft(data=(given,))
    return Draft.of(file.load(shipped.find(given), say=say))
