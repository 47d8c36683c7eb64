"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune.cli import complete
from tuiftune.cli.terminal import hush

Runs = Annotated[
    Path | None,
    typer.Option("--runs", metavar="DIR", help="Directory of the runs. [default: $TUIFTUNE_RUNS or ./runs]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the preset (repeatable).",
        autocompletion=complete.settings,
    ),
]

Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", callback=hush, help="Print nothing but errors on standard error."),
]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Also print what each `auto` of the preset became, and why.")
]
