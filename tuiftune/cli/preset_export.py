"""`tuiftune preset export`: a preset for another tool, its rows, the command, and what became of each key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Files
    from tuiftune.interop.export.preset import Exported
    from tuiftune.preset.schema import Preset

TRAIN, EVAL = "train.jsonl", "eval.jsonl"
SIGNS = {"carried": "ok", "changed": "info", "not needed": "info", "left out": "warn"}


def export(
    preset: Annotated[
        str, typer.Argument(metavar="PRESET", help="A preset file, or a built-in preset's name such as demo.")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TOOL",
            help="axolotl, llamafactory, trl, unsloth, swift, together, vertex, sagemaker or azure.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Also write the rows there, in its layout."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a key, e.g. training.epochs=1."),
    ] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Resolve every `auto` for this machine first.")
    ] = False,
    gpu: Annotated[
        str | None, typer.Option(metavar="NAME[:COUNT]", help="Resolve for this GPU instead.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Files, command and report as one document.")
    ] = False,
) -> None:
    """Write a preset for another tool, and report what became of every key.

    Without --output the configuration goes to standard output, and names the preset's own data. Exit codes:
    0 written, 2 bad input.
    """
    import sys

    from tuiftune.cli.terminal import say, write_json
    from tuiftune.interop.export.outward import Files
    from tuiftune.interop.export.preset import export as written
    from tuiftune.preset import file, shipped

    if resolved or gpu:
        from tuiftune.plan.inputs import of_named

        chosen = of_named(preset, settings or []).plan(gpu).resolved
    else:
        chosen = file.override(file.load(shipped.find(preset)), settings or [])
    if output is None:
        found = written(chosen, to)
    else:
        written(chosen, to)  # what cannot be written is found before the rows are read
        files = _rows(chosen, output, to)
        found = written(chosen, to, Files(files.train, files.eval))
        _texts(found, output)
    if as_json:
        write_json(_document(found), "preset-export")
        return
    if output is None:
        sys.stdout.write(next(iter(found.files.values())))
    _report(found)
    if output is None:
        say("write it with its rows: --output DIR")
    else:
        say(f"written to {output}: {', '.join(found.files)}")
    say(f"run it: {found.command}")


def _rows(preset: Preset, directory: Path, to: str) -> Files:
    """Write the rows of a preset as a tool reads them, split and mixed as a run has them."""
    import json

    from tuiftune import outputs, paths
    from tuiftune.cli.data_progress import busy
    from tuiftune.data.mix.sources import Mix, mixed
    from tuiftune.data.mix.split import split
    from tuiftune.data.read.load import load
    from tuiftune.interop.export.outward import Files
    from tuiftune.interop.export.preset import tools

    data, stage, tool = preset.data, preset.method.stage, tools()[to]
    with busy("reading the rows") as count:
        dataset = load(
            data.train, format=data.format, columns=data.columns or None, system=data.system, progress=count
        )
        train, held_out = split(dataset, data.eval, preset.training.seed)
        if mix := Mix.of(data):
            train = mixed(train, held_out, mix, preset.training.seed, format=dataset.format).examples
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise paths.cannot(fault, directory, "write") from None
        for name, rows in ((TRAIN, train), (EVAL, held_out)):
            if rows:
                _refuse_to_overwrite(directory / name)
                with outputs.writing(directory / name) as file:
                    for row in rows:
                        line = json.dumps(tool.row(stage, row), ensure_ascii=False)
                        file.write(line.encode("utf-8", "replace") + b"\n")
    return Files(TRAIN, EVAL if held_out else None)


def _texts(found: Exported, directory: Path) -> None:
    from tuiftune import outputs

    for name, text in found.files.items():
        _refuse_to_overwrite(directory / name)
        with outputs.writing(directory / name) as file:
            file.write(text.encode())


def _refuse_to_overwrite(path: Path) -> None:
    from tuiftune import paths
    from tuiftune.printable import printable

    if not paths.gone(path):
        raise UserError(
            "exists already", place=printable(str(path)), remedy="name another directory with --output"
        )


def _document(found: Exported) -> dict[str, object]:
    return {
        "tool": found.tool.name,
        "files": found.files,
        "command": found.command,
        "checked_against": found.tool.service or None,
        "report": [
            {
                "key": line.key,
                "value": line.value,
                "fate": line.fate,
                "to": line.to or None,
                "why": line.why or None,
            }
            for line in found.lines
        ],
    }


def _report(found: Exported) -> None:
    """What became of each key, on standard error; what only concerns tuiftune is counted."""
    from tuiftune.cli.terminal import say, sign
    from tuiftune.interop.mapping import shown

    counts = {fate: sum(line.fate == fate for line in found.lines) for fate in SIGNS}
    for fate, mark in SIGNS.items():
        for line in found.lines:
            if line.fate == fate and fate != "not needed":
                to = f" → {line.to}" if line.to else ""
                why = f"  {line.why}" if line.why else ""
                say(f"{sign(mark)} {fate:10} {line.key}: {shown(line.value)}{to}{why}")  # type: ignore[arg-type]
    say(f"{found.tool.name}: " + ", ".join(f"{count} {fate}" for fate, count in counts.items() if count))
    if found.tool.service:
        say(f"Checked against {found.tool.service}; not run by us.")
