"""`tuiftune preset`: check, show, resolve and list presets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.errors import UserError, with_fix

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.preset.explain import Fault

PresetArgument = Annotated[
    str, typer.Argument(help="A preset file, or the name of a built-in preset such as demo.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, such as training.epochs=1."),
]


def check(
    presets: Annotated[list[str], typer.Argument(help="Preset files or names of built-in presets.")],
) -> None:
    """Check presets and list every error. Exits with 2 if there is one."""
    from tuiftune.cli.terminal import say, sign
    from tuiftune.preset import file, shipped

    wrong = False
    for name in presets:
        path = shipped.find(name)
        faults = file.check(path) or _model_faults(path)
        for fault in faults:
            say(f"{sign('bad')} {fault.place}: {with_fix(fault.message, fault.remedy)}")
        if not faults:
            say(f"{sign('ok')} {path}")
        wrong = wrong or bool(faults)
    if wrong:
        raise typer.Exit(2)


def _model_faults(path: Path) -> list[Fault]:
    """Return why a base model on this machine cannot be fine-tuned; [] if it can, or is elsewhere."""
    from tuiftune import paths
    from tuiftune.models import config, counted
    from tuiftune.preset import file
    from tuiftune.preset.explain import Fault

    base = paths.given(file.load(path).model.base)
    place = base / "config.json"
    try:
        if paths.is_file(place):
            counted.check(config.read(place), str(place))
    except UserError as fault:
        return [Fault(fault.place or str(place), fault.message, fault.remedy or "")]
    return []


def show(
    preset: PresetArgument,
    settings: Settings = None,
    resolved: Annotated[
        bool,
        typer.Option("--resolved", help="Resolve every `auto` for this machine, and show the reasons."),
    ] = False,
    gpu: Annotated[
        str | None,
        typer.Option(metavar="NAME[:COUNT]", help="Resolve for this GPU instead of this machine's."),
    ] = None,
) -> None:
    """Print a preset with every default and a comment on every key."""
    from tuiftune.preset import file, shipped

    if resolved or gpu:
        _show_resolved(preset, settings or [], gpu)
        return
    path = shipped.find(preset)
    loaded = file.override(file.load(path), settings or [])
    typer.echo(file.dump(loaded, header=f"{path.name}, with every default written out"), nl=False)


def _show_resolved(preset: str, settings: list[str], gpu: str | None) -> None:
    """Print the resolved preset on standard output, and the reason of every value on standard error."""
    from tuiftune.cli.terminal import say
    from tuiftune.plan.inputs import of_named
    from tuiftune.preset.file import dump

    plan = of_named(preset, settings).plan(gpu)
    where = plan.gpu.get("name", "this machine")
    typer.echo(dump(plan.resolved, header=f"{plan.resolved.name}, resolved for {where}"), nl=False)
    for reason in plan.reasons:
        say(f"{reason.key} = {reason.value}: {reason.why} [{reason.source}]")
    for note in plan.notes:
        say(f"note: {note}")
    if not plan.fits:
        say("This preset does not fit. See by how much, and the alternatives: `tuiftune plan`")


def schema() -> None:
    """Print the JSON Schema of presets, for editors that check YAML."""
    from tuiftune.cli.terminal import write_json
    from tuiftune.preset.words import json_schema

    write_json(json_schema())


def list_() -> None:
    """List the built-in presets and what each is for."""
    import shutil
    import textwrap

    from tuiftune.preset import shipped

    width = max(shutil.get_terminal_size().columns, 60)
    for name in shipped.names():
        about = shipped.about(shipped.directory() / f"{name}.yaml")
        indent = " " * 22
        typer.echo(textwrap.fill(about, width, initial_indent=f"{name:22}", subsequent_indent=indent))
