"""The `tuiftune` command: the table of commands by panel, and how every command exits.

Command files import what they need inside their functions, so that registering all of them stays fast.
Help is plain text: Typer's Rich help alone would double the start-up time.

Exit codes are those of `tuiftune.errors.ExitCode`; a Ctrl-C that no command caught exits with 130,
without a message.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tuiftune import paths, run_models
from tuiftune.errors import UserError
from tuiftune.hub import progress
from tuiftune.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

# Panels of `tuiftune --help`, each with its commands in order: (command, or group and command; module in
# tuiftune.cli; function). A group is listed in the panel of its first command.
PANELS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Start": (
        ("demo", "demo", "demo"),
        ("new", "new", "new"),
        ("doctor", "doctor", "doctor"),
        ("advise", "advise", "advise"),
    ),
    "Data": (
        ("data inspect", "data", "inspect"),
        ("data clean", "data", "clean"),
        ("data mix", "data_mix", "mix"),
        ("data split", "data_split", "split"),
        ("data tokens", "data", "tokens"),
        ("data generate", "data_generate", "generate"),
        ("data score", "data_generate", "score"),
        ("data review", "data_review", "review"),
        ("data agreement", "data_agreement", "agreement"),
        ("cache show", "cache", "show"),
        ("cache clear", "cache", "clear"),
    ),
    "Plan": (
        ("plan", "plan", "plan"),
        ("probe", "probe", "probe"),
        ("sweep", "sweep", "sweep"),
        ("download", "download", "download"),
        ("preset check", "preset", "check"),
        ("preset show", "preset", "show"),
        ("preset schema", "preset", "schema"),
        ("preset list", "preset", "list_"),
    ),
    "Train": (
        ("train", "train", "train"),
        ("queue", "queue", "queue"),
        ("stop", "runs", "stop"),
        ("resume", "train", "resume"),
        ("sync", "sync", "sync"),
    ),
    "Watch": (
        ("watch", "watch", "watch"),
        ("runs", "runs", "runs"),
        ("status", "status", "status"),
        ("logs", "runs", "logs"),
        ("web", "web", "web"),
        ("track", "track", "track"),
    ),
    "Evaluate": (
        ("evaluate", "evaluate", "evaluate"),
        ("decide", "decide", "decide"),
        ("benchmark", "benchmark", "benchmark"),
        ("judge", "judge", "judge"),
        ("review", "review", "review"),
        ("report", "runs", "report"),
        ("compare", "compare", "compare"),
        ("metrics", "metrics", "metrics"),
        ("reproduce", "reproduce", "reproduce"),
    ),
    "Ship": (
        ("ship", "ship", "ship"),
        ("export", "export", "export"),
        ("chat", "chat", "chat"),
        ("serve", "serve", "serve"),
    ),
    "Import and share": (
        ("import", "import_", "import_"),
        ("preset export", "preset_export", "export"),
        ("bundle", "bundle", "bundle"),
    ),
    "Scripts and agents": (
        ("help", "help_", "help_"),
        ("schema", "schema", "schema"),
        ("mcp", "mcp_", "mcp"),
    ),
}
COMMANDS = tuple(chain.from_iterable(PANELS.values()))
USAGE: Any = typer.BadParameter.__bases__[0]  # what Typer raises for any misuse
VARIABLES = """\b
Environment (`tuiftune help` lists all):
  TUIFTUNE_RUNS         directory of runs; default: ./runs
  TUIFTUNE_ASCII        set: signs and bars in ASCII
  NO_COLOR, FORCE_COLOR set: no colors, or colors in pipes too"""
GROUPS = {
    "data": "Inspect, clean, mix, split and generate datasets, and show the exact training tokens.",
    "cache": "Show and remove the rows that were read and tokenized.",
    "preset": "Check, show, list and export presets.",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        from tuiftune import __version__

        typer.echo(f"tuiftune {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
]


class Panels(TyperGroup):
    """The top-level command: its help lists the commands by panel."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        listed: set[str] = set()
        for panel, commands in PANELS.items():
            shown = {}
            for command, _, _ in commands:
                group, _, name = command.partition(" ")
                found: Any = self.commands[group]
                if name and group in listed:  # listed above, with the commands of another panel
                    shown[command] = found.commands[name].get_short_help_str(limit=120)
                else:
                    shown[group] = found.get_short_help_str(limit=120)
            with formatter.section(panel):
                formatter.write_dl(list(shown.items()))
            listed |= shown.keys()


def start(context: typer.Context, version: Version = False) -> None:
    """Fine-tune language models from your terminal. Run without a command to open the app.

    Exit codes: 0 done, 1 failed, 2 bad input or usage, 3 does not fit or not enough disk, 4 stopped (can be
    resumed), 5 NaN or infinite loss, 6 out of GPU memory, 7 disk full, 8 don't ship, 9 diverged, 10 not ended
    yet.
    """
    run_models.look_up_by(_model_of_run)
    progress.listen(_show_download)
    if context.invoked_subcommand is None:
        from tuiftune.cli import new

        new.app()


def _show_download(state: progress.Progress) -> None:
    from tuiftune.cli.fetching import shown

    shown(state)


def _model_of_run(name: str) -> Path:
    from tuiftune.runs.store.base import model_of

    return model_of(name)


def build() -> typer.Typer:
    """Return the application with every command of `PANELS` registered."""
    app = _typer(cls=Panels, context_settings={"help_option_names": ["-h", "--help"]}, epilog=VARIABLES)
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
        # Passed explicitly, because the list of commands would truncate a long first line.
        about = (command_function.__doc__ or "").strip().splitlines()[0].removesuffix(".")
        parent.command(name, short_help=about)(command_function)
    return app


def _typer(**settings: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, **settings)


def main() -> None:
    """Run the command line and exit with a documented code.

    A `UserError` is printed as one line on standard error, without a traceback.
    """
    from tuiftune import streams
    from tuiftune.terminal import write_alike

    write_alike(sys.stdout, sys.stderr)
    streams.take_over()
    code = _ended()
    streams.give_up_output()
    sys.exit(code)


def _misused(fault: Any) -> UserError:
    """Return the one line for options and arguments that a command does not take."""
    words = fault.format_message().strip().removesuffix(".").replace("\n", " ")
    path = fault.ctx.command_path if fault.ctx is not None else "tuiftune"
    if path == "tuiftune" and getattr(fault, "option_name", "") == "--plain":  # the app as prompts is `new`
        return UserError("--plain stands after a command", place=path, remedy="use `tuiftune new --plain`")
    remedy = f"see `{path} --help`"
    named = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if path == "tuiftune" and words.startswith("No such command") and paths.exists(paths.given(named)):
        remedy = f"start with it: `tuiftune new {printable(named)}`"
    return UserError(words[:1].lower() + words[1:], place=path, remedy=remedy)


def _ended() -> int | str | None:
    """Run the command and flush its output. Returns its exit code."""
    try:
        try:
            code = build()(prog_name="tuiftune", standalone_mode=False) or 0
        except SystemExit as ended:
            code = ended.code
        except USAGE as fault:
            if type(fault).__name__ != "NoArgsIsHelpError":
                raise _misused(fault) from None
            fault.show()
            code = fault.exit_code
        sys.stdout.flush()
    except UserError as error:
        from tuiftune.cli.fetching import close
        from tuiftune.cli.terminal import say

        close()
        with suppress(UserError, BrokenPipeError):
            sys.stdout.flush()
        say(f"error: {error}")
        return int(error.exit_code)
    except KeyboardInterrupt:
        return 130
    except typer.Abort:  # the end of the input where an answer was asked for
        return 1
    except BrokenPipeError:  # the reader closed the pipe (`| head`): not an error
        return 1
    return code
