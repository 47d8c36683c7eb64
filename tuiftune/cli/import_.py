"""`tuiftune import`: another tool's configuration as a preset, with a report on every key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.interop.foreign import Imported

SIGNS = {"carried": "ok", "changed": "info", "not needed": "info", "left out": "warn", "unknown": "bad"}


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="File with a configuration, a script or a command.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the preset here. [default: standard output]"),
    ] = None,
    tool: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TOOL",
            help="axolotl, llamafactory, llamafactory-v1, trl, swift, soup, unsloth, openai. [default: by "
            "its content]",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Add or replace a key, such as model.base=Qwen/Qwen3-8B."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print preset and report as one JSON document.")
    ] = False,
) -> None:
    """Convert another tool's configuration to a preset, with a report.

    Reads Axolotl and Soup YAML, LLaMA-Factory, TRL and ms-swift YAML or command lines, scripts and notebooks
    of TRL and Unsloth (without running them) and OpenAI fine-tuning jobs.
    """

    from tuiftune import documents, spool
    from tuiftune.cli.terminal import write_json
    from tuiftune.errors import UserError
    from tuiftune.interop import foreign
    from tuiftune.preset.file import dump, save
    from tuiftune.preset.parse import parse
    from tuiftune.printable import printable

    if tool is not None and tool not in foreign.TOOLS:
        raise UserError(
            f'"{printable(tool)}" is not a known tool',
            place="--from",
            remedy=f"use one of: {', '.join(foreign.TOOLS)}",
        )
    given: dict[str, Any] = {}
    for setting in settings or ():
        key, equals, value = setting.partition("=")
        place = f"--set {printable(setting)[:80]}"
        if not equals or "." not in key:
            raise UserError(
                "not of the form KEY=VALUE", place=place, remedy="write it like data.train=rows.jsonl"
            )
        given[key.strip()] = parse(value, place).values
    spool.regular(file)
    text = documents.read_text(file)
    found = foreign.read(
        text,
        printable(str(file)),
        tool=tool,
        settings=given,
        datasets=lambda where: _datasets(file.parent, where),
        columns=lambda files: _columns(file.parent, files),
    )
    if as_json:
        lines = [
            {
                "key": line.key,
                "value": line.value,
                "fate": line.fate,
                "to": line.to or None,
                "why": line.why or None,
            }
            for line in found.lines
        ]
        write_json(
            {
                "tool": found.tool,
                "preset": found.preset.model_dump(mode="json", exclude_unset=True),
                "report": lines,
            },
            "import",
        )
    else:
        _report(found)
    header = f"from {found.tool}: {file.name}"
    if output is not None:
        save(found.preset, output, header=header)
    elif not as_json:
        typer.echo(dump(found.preset, header=header), nl=False)


def _datasets(parent: Path, directory: str) -> dict[str, Any]:
    """Return LLaMA-Factory's dataset_info.json, from its dataset_dir or from next to the configuration."""
    from tuiftune import documents, paths

    for place in (parent / directory, paths.given(directory), parent):
        if paths.is_file(place / "dataset_info.json"):
            document = documents.read_json(place / "dataset_info.json")
            return document if isinstance(document, dict) else {}
    return {}


def _columns(parent: Path, files: Sequence[str]) -> frozenset[str] | None:
    """Return the columns of training files, where they are here: next to the configuration or in the working
    directory.
    """
    from tuiftune import paths
    from tuiftune.data.read.file_rows import first_columns
    from tuiftune.data.read.files import expand
    from tuiftune.errors import UserError

    found: list[str] = []
    try:
        for one in files:
            place = next((place for place in (parent / one, paths.given(one)) if paths.exists(place)), None)
            if place is None:
                return None
            found.append(str(place))
        sources, _ = expand(found)
        return frozenset().union(*map(first_columns, sources))
    except UserError:
        return None  # what is wrong with the files is told when they are planned with


def _report(found: Imported) -> None:
    """Print the outcome of each key on standard error."""
    from tuiftune.cli.terminal import say, sign
    from tuiftune.interop.mapping import shown

    counts = {fate: sum(line.fate == fate for line in found.lines) for fate in SIGNS}
    for fate, mark in SIGNS.items():
        for line in found.lines:
            if line.fate == fate:
                to = f" → {line.to}" if line.to and fate == "carried" else ""
                why = f"  {line.why}" if line.why and fate != "carried" else ""
                say(f"{sign(mark)} {fate:10} {line.key}: {shown(line.value)}{to}{why}")  # type: ignore[arg-type]
    say(f"{found.tool}: " + ", ".join(f"{count} {fate}" for fate, count in counts.items() if count))
