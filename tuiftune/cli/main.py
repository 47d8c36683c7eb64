"""`tuiftune`: the table of commands, and how every command ends.

Command files import their rooms inside their functions, so that registering all of them stays cheap.
Help is plain text: Typer's Rich help alone would double the start-up time.

Exit codes are those of `tuiftune.errors.ExitCode`; a Ctrl-C that no command caught ends with 130,
silently.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from tuiftune.errors import UserError

# (command, or group and command; module in tuiftune.cli; function), in the order of the help.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("demo", "demo", "demo"),
    ("new", "new", "new"),
    ("doctor", "doctor", "doctor"),
    ("advise", "advise", "advise"),
    ("data inspect", "data", "inspect"),
    ("data clean", "data", "clean"),
    ("data mix", "data_mix", "mix"),
    ("data tokens", "data", "tokens"),
    ("plan", "plan", "plan"),
    ("import", "import_", "import_"),
    ("preset check", "preset", "check"),
    ("preset show", "preset", "show"),
    ("preset schema", "preset", "schema"),
    ("preset list", "preset", "list_"),
    ("train", "train", "train"),
    ("watch", "watch", "watch"),
    ("runs", "runs", "runs"),
    ("stop", "runs", "stop"),
    ("resume", "train", "resume"),
    ("logs", "runs", "logs"),
    ("report", "runs", "report"),
    ("web", "web", "web"),
    ("compare", "compare", "compare"),
    ("metrics", "metrics", "metrics"),
    ("evaluate", "evaluate", "evaluate"),
)
GROUPS = {
    "data": "Look into a dataset, repair it, see the tokens the trainer will see.",
    "preset": "Validate, print and list presets.",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        from tuiftune import __version__

        typer.echo(f"tuiftune {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
]


def start(context: typer.Context, version: Version = False) -> None:
    """From data and a GPU to a measurably better language model, in your terminal.

    Without a command: the app. Exit codes: 0 done, 1 failed, 2 bad input or usage, 3 does not fit or not
    enough disk, 4 stopped (resumable), 5 not a number, 6 out of GPU memory, 7 disk full, 9 diverged.
    """
    if context.invoked_subcommand is None:
        from tuiftune.cli import new

        new.app()


def build() -> typer.Typer:
    """The application with every command of `COMMANDS` registered."""
    app = _typer(context_settings={"help_option_names": ["-h", "--help"]})
    app.callback(invoke_without_command=True)(start)
    groups: dict[str, typer.Typer] = {}
    for command, module, function in COMMANDS:
        *group, name = command.split()
        parent = app
        if group:
            if group[0] not in groups:
                about = GROUPS[group[0]]
                groups[group[0]] = _typer(
                    help=about, short_help=about.removesuffix("."), no_args_is_help=True
                )
                app.add_typer(groups[group[0]], name=group[0])
            parent = groups[group[0]]
        command_function = getattr(importlib.import_module(f"tuiftune.cli.{module}"), function)
        # Said in full: of a long first line the list of commands would show only its beginning.
        about = (command_function.__doc__ or "").strip().splitlines()[0].removesuffix(".")
        parent.command(name, short_help=about)(command_function)
    return app


def _typer(**settings: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, **settings)


def main() -> None:
    """The console script: run the command line and end the process with a documented code.

    A fault of the user's is one line on standard error, never a traceback.
    """
    from tuiftune import streams
    from tuiftune.terminal import write_alike

    write_alike(sys.stdout, sys.stderr)
    streams.take_over()
    code = _ended()
    streams.give_up_output()
    sys.exit(code)


def _ended() -> int | str | None:
    """Run the command, and write all that it was asked for. Returns its exit code."""
    try:
        try:
            build()(prog_name="tuiftune")
        except SystemExit as ended:
            code = ended.code
        else:
            code = 0
        sys.stdout.flush()
    except UserError as error:
        from tuiftune.cli.terminal import say

        with suppress(UserError, BrokenPipeError):
            sys.stdout.flush()
        say(f"tuiftune: {error}")
        return int(error.exit_code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader went away (`| head`): not a fault
        return 1
    return code
