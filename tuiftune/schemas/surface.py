"""The command line itself, as `tuiftune help --json` tells it."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from tuiftune.schemas.common import Document


class Parameter(TypedDict):
    """`kind`: argument or option. `names`: an option's spellings."""

    name: str
    kind: str
    names: list[str]
    type: str
    required: bool
    repeatable: bool
    default: Any
    help: str


class Command(TypedDict):
    """`schema`: the name of the document that --json prints; null without --json."""

    command: str
    does: str
    details: str
    parameters: list[Parameter]
    schema: str | None


class Variable(TypedDict):
    name: str
    does: str


class HelpDocument(Document):
    """`tuiftune help --json`."""

    version: str
    commands: list[Command]
    exit_codes: dict[str, str]
    environment: list[Variable]
    schemas: list[str]
