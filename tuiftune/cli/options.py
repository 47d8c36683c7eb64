"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from tuiftune.cli.terminal import hush

Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", callback=hush, help="Print nothing but errors on standard error."),
]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Also print what each `auto` of the preset became, and why.")
]
