"""`tuiftune schema`: the JSON Schemas of what the commands print and runs write."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A document, such as plan. [default: list all]")
    ] = None,
) -> None:
    """Print the JSON Schema of a document, such as plan or status; without a name, list the documents."""
    from tuiftune.cli.terminal import write_json
    from tuiftune.schemas import registry

    if name is None:
        typer.echo("\n".join(registry.names()))
        return
    write_json(registry.json_schema(name))
