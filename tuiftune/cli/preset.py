"""`tuiftune preset`: check, show, resolve and list presets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli import complete
from tuiftune.cli.options import Json
from tuiftune.errors import UserError, with_fix

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset

PresetArgument = Annotated[
    str,
    typer.Argument(
        metavar="PRESET",
        help="A preset file, or the name of a built-in preset such as demo.",
        autocompletion=complete.presets,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key, such as training.epochs=1.",
        autocompletion=complete.settings,
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="PART", help="Leave out the data or the model's weights; repeatable."),
]


def check(
    presets: Annotated[
        list[str],
        typer.Argument(
            metavar="PRESET",
            help="Preset files, built-in names, or - for a pipe.",
            autocompletion=complete.presets,
        ),
    ],
    without: Without = None,
    json: Json = False,
) -> None:
    """Check presets, their data and their base model, and list every error. Exits with 2 if there is one.

    A missing data file, columns that are not there and a model directory without weights are errors, as for
    `tuiftune train`; --without data or --without weights leaves them out.
    """
    from tuiftune.cli.terminal import say, sign, write_json

    skipped = check_without(without)
    told = [_checked(name, skipped) for name in presets]
    if json:
        write_json({"ok": all(one["ok"] for one in told), "presets": told}, "preset-check")
    for one in () if json else told:
        for fault in one["errors"]:
            say(f"{sign('bad')} {fault['place']}: {with_fix(fault['message'], fault['remedy'])}")
        if one["ok"]:
            say(f"{sign('ok')} {one['path']}")
    if not all(one["ok"] for one in told):
        raise typer.Exit(2)


def check_without(given: list[str] | None) -> tuple[str, ...]:
    """Return what `--without` names. UserError for anything else than data and weights."""
    from tuiftune.plan.inputs import DATA, WEIGHTS

    wrong = next((one for one in given or () if one not in (DATA, WEIGHTS)), None)
    if wrong is not None:
        raise UserError(f"{wrong} cannot be left out", place="--without", remedy=f"one of {DATA}, {WEIGHTS}")
    return tuple(dict.fromkeys(given or ()))


def _checked(name: str, without: tuple[str, ...]) -> dict[str, Any]:
    """One preset's errors, wherever they are found: in the file, its data or its base model."""
    from tuiftune.cli.terminal import say
    from tuiftune.plan import inputs
    from tuiftune.preset import file, shipped
    from tuiftune.preset.explain import Fault

    path, left_out = name, without
    try:
        found = shipped.find(name)
        path = str(found)
        faults = file.check(found)
        if not faults:
            names: set[str] = set()
            for preset in file.load_each(found, say=say):
                earlier = preset.model.base.removeprefix("run:") in names  # of the same chain
                skipped = (*without, inputs.WEIGHTS) if earlier else without
                if inputs.WEIGHTS not in skipped:
                    _check_model(preset)
                left_out = inputs.look_through(preset, without=skipped)
                names.add(preset.name)
    except UserError as fault:
        faults = [Fault(fault.place or path, fault.message, fault.remedy)]
    return {
        "preset": name,
        "path": path,
        "ok": not faults,
        "without": list(left_out),
        "errors": [{"place": one.place, "message": one.message, "remedy": one.remedy} for one in faults],
    }


def _check_model(preset: Preset) -> None:
    """UserError where a base model directory is not one that can be fine-tuned at all."""
    from tuiftune import paths
    from tuiftune.models import config, counted

    place = paths.given(preset.model.base) / "config.json"
    if paths.is_file(place):
        counted.check(config.read(place), str(place))


def show(
    preset: PresetArgument,
    settings: Settings = None,
    resolved: Annotated[
        bool,
        typer.Option("--resolved", help="Resolve every `auto` for this machine, and show the reasons."),
    ] = False,
    gpu: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:COUNT]",
            help="Resolve for this GPU instead of this machine's.",
            autocompletion=complete.gpus,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print a preset with every default and a comment on every key."""
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.preset import file, shipped

    if resolved or gpu:
        _show_resolved(preset, settings or [], gpu, json=json)
        return
    path = shipped.find(preset)
    loaded = file.override(file.load(path, say=say), settings or [])
    if json:
        document = {"preset": loaded.model_dump(mode="json"), "resolved": False, "reasons": [], "notes": []}
        write_json(document, "preset-show")
        return
    typer.echo(file.dump(loaded, header=f"{path.name}, with every default written out"), nl=False)


def _show_resolved(preset: str, settings: list[str], gpu: str | None, *, json: bool) -> None:
    """Print the resolved preset on standard output, and the reason of every value on standard error."""
    from dataclasses import asdict

    from tuiftune.cli.terminal import say, write_json
    from tuiftune.plan.inputs import WEIGHTS, of_named
    from tuiftune.preset.file import dump
    from tuiftune.preset.places import absolute

    plan = of_named(preset, settings, without=(WEIGHTS,), say=say).plan(gpu)
    if json:
        document = {
            "preset": absolute(plan.resolved).model_dump(mode="json"),
            "resolved": True,
            "reasons": [asdict(reason) for reason in plan.reasons],
            "notes": list(plan.notes),
        }
        write_json(document, "preset-show")
        return
    where = plan.gpu.get("name", "this machine")
    typer.echo(dump(absolute(plan.resolved), header=f"{plan.resolved.name}, resolved for {where}"), nl=False)
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


def list_(json: Json = False) -> None:
    """List the built-in presets and what each is for."""
    import shutil
    import textwrap

    from tuiftune.cli.terminal import unwrapped, write_json
    from tuiftune.preset import shipped

    if json:
        listed = [
            {"name": file.stem, "path": str(file), "about": shipped.about(file)} for file in shipped.files()
        ]
        write_json({"presets": listed}, "preset-list")
        return
    if unwrapped():  # a row a line, to be filtered
        for file in shipped.files():
            typer.echo(f"{file.stem:22}{shipped.about(file)}")
        return
    width = max(shutil.get_terminal_size().columns, 60)
    for name in shipped.names():
        about = shipped.about(shipped.directory() / f"{name}.yaml")
        indent = " " * 22
        typer.echo(textwrap.fill(about, width, initial_indent=f"{name:22}", subsequent_indent=indent))
