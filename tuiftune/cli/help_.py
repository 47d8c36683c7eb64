"""`tuiftune help`: the whole command line as one document, for people's agents and for scripts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tuiftune.cli.options import Json

EXIT_CODES = {
    0: "done",
    1: "failed; with --fail-on, --check: something was found",
    2: "bad input or usage",
    3: "does not fit into memory, or not enough disk",
    4: "stopped, preempted or killed; `tuiftune resume` continues",
    5: "NaN or infinite loss or gradient",
    6: "out of GPU memory",
    7: "disk full",
    8: "don't ship",
    9: "diverged",
    10: "not ended yet (`tuiftune status`)",
    130: "interrupted before anything was started",
}
ENVIRONMENT = {
    "TUIFTUNE_RUNS": "directory of runs; default: ./runs",
    "TUIFTUNE_SSH": "the ssh command of --on ssh, with options; default: ssh",
    "TUIFTUNE_SSH_PATIENCE": "seconds of silence after which a rented machine counts as gone; default: 1800",
    "TUIFTUNE_SKY_EVERY": "seconds between two looks at the bucket of a run of SkyPilot; default: 15",
    "TUIFTUNE_CACHE": "where read and tokenized rows are kept; default: ~/.cache/tuiftune/rows",
    "TUIFTUNE_CACHE_LIMIT": "the most they may take, such as 20GiB; default: 50GiB; 0: keep none",
    "TUIFTUNE_ASCII": "set: signs and bars in ASCII",
    "TUIFTUNE_PRICES": "a CSV of your GPU prices, for `plan --gpu any`",
    "TUIFTUNE_BACKEND": "set by a launcher such as Slurm: its processes are one run",
    "NO_COLOR": "set: no colors",
    "FORCE_COLOR": "set: colors in pipes too",
    "CUDA_VISIBLE_DEVICES": "the GPUs that may be used",
    "HF_HUB_OFFLINE": "1: download nothing",
    "HF_HOME": "where models are cached",
    "HF_ENDPOINT": "address of another Hugging Face Hub",
    "HF_TOKEN": "for models that need an account",
    "XDG_STATE_HOME": "where tuiftune remembers runs; default: ~/.local/state",
    "TMPDIR": "where rows from pipes are kept while they are read",
}


def help_(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="Such as data inspect. [default: all]")
    ] = None,
    json: Json = False,
) -> None:
    """Print the help of a command; with --json all commands, options, exit codes and schemas."""
    from tuiftune.errors import UserError
    from tuiftune.printable import printable

    asked = " ".join(command or ())
    every = _commands()
    known = {name: one for name, one in every.items() if f"{name} ".startswith(f"{asked} ".lstrip())}
    if not known:
        raise UserError("no such command", place=printable(asked), remedy="`tuiftune --help` lists them")
    if json:
        from tuiftune.cli.terminal import write_json

        write_json(_document(known), "help")
        return
    for name, one in known.items() if asked else ():
        typer.echo(one.get_help(one.context_class(one, info_name=f"tuiftune {name}")))
    if not asked:
        _overview(known)


def _overview(known: dict[str, Any]) -> None:
    """All commands, exit codes and variables, a line each."""
    typer.echo("Commands (`tuiftune help COMMAND` for more):")
    for name, one in known.items():
        typer.echo(f"  {name:16} {_does(one)}")
    typer.echo("\nExit codes:")
    for code, means in EXIT_CODES.items():
        typer.echo(f"  {code:<16} {means}")
    typer.echo("\nEnvironment:")
    for name, does in ENVIRONMENT.items():
        typer.echo(f"  {name:<22} {does}")


def _commands() -> dict[str, Any]:
    from typer.main import get_command

    from tuiftune.cli.main import COMMANDS, build

    root = get_command(build())
    found: dict[str, Any] = {}
    for words, *_ in COMMANDS:
        node: Any = root
        for word in words.split():
            node = node.commands[word]
        found[words] = node
    return found


def _document(known: dict[str, Any]) -> dict[str, Any]:
    from tuiftune import __version__
    from tuiftune.schemas import registry

    return {
        "version": __version__,
        "commands": [
            {
                "command": name,
                "does": _does(one),
                "details": _details(one),
                "parameters": [_parameter(each) for each in one.params if each.name != "help"],
                "schema": _schema_of(name, one),
            }
            for name, one in known.items()
        ],
        "exit_codes": {str(code): means for code, means in EXIT_CODES.items()},
        "environment": [{"name": name, "does": does} for name, does in ENVIRONMENT.items()],
        "schemas": registry.names(),
    }


def _parameter(one: Any) -> dict[str, Any]:
    option = one.param_type_name == "option"
    default = one.default if isinstance(one.default, str | int | float | bool) else None
    return {
        "name": str(one.name).strip("_"),
        "kind": "option" if option else "argument",
        "names": [*one.opts, *one.secondary_opts] if option else [],
        "type": "flag" if option and getattr(one, "is_flag", False) else _type(one),
        "required": one.required,
        "repeatable": one.multiple if option else one.nargs == -1,
        "default": default,
        "help": " ".join((getattr(one, "help", "") or "").split()),
    }


def _type(one: Any) -> str:
    """Text, integer, number or path, whichever click stands below Typer."""
    described = getattr(one, "type_descriptor", None)
    name = str(described.annotation) if described is not None else str(one.type.name)
    kinds = {"int": "integer", "float": "number", "Path": "path", "path": "path", "directory": "path"}
    return next((kind for word, kind in kinds.items() if word in name), "text")


def _schema_of(name: str, one: Any) -> str | None:
    """The document that --json prints: it has the command's name, but for `resume`, which prints what
    `train` does.
    """
    from tuiftune.schemas import registry

    if not any("--json" in each.opts for each in one.params):
        return None
    same = {"resume": "train", "watch": "event", "data agreement": "agreement"}
    key = same.get(name, name.replace(" ", "-"))
    return registry.named(key) if key in registry.names() else None


def _does(one: Any) -> str:
    return (one.help or "").strip().splitlines()[0].strip() if one.help else ""


def _details(one: Any) -> str:
    return " ".join((one.help or "").strip().splitlines()[1:]).strip()
