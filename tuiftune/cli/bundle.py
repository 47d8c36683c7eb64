"""`tuiftune bundle`: a run in one archive, without rows, weights and secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuiftune.cli.options import Runs


def bundle(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or path of the run.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="A .tar.gz or .zip file; -: standard output. [default: RUN.tar.gz]",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="List what is inside as one document.")] = False,
    runs: Runs = None,
) -> None:
    """Pack a run's preset, plan, log, scores and model card, to reproduce it or report a bug.

    Rows of the data, weights and secrets stay out. Exit codes: 0 written, 2 bad input, 7 disk full.
    """
    from tuiftune import outputs
    from tuiftune.cli.data_progress import busy
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.errors import UserError
    from tuiftune.figures import size
    from tuiftune.runs.reports import bundle as bundles
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    path = output or Path(f"{found.name}.tar.gz")
    if str(path) != outputs.STANDARD and not path.name.endswith((".tar.gz", ".tgz", ".zip")):
        raise UserError("a bundle is a .tar.gz or a .zip file", place=str(path), remedy="name it so")
    if as_json and str(path) == outputs.STANDARD:
        raise UserError("standard output takes the list or the archive", place="--json", remedy="use one")
    if str(path) != outputs.STANDARD and not outputs.is_stream(path):
        bundles.refuse_to_overwrite(path)
    with busy("packing"), outputs.writing(path) as file:
        parts = bundles.bundle(found, file, zipped=path.suffix == ".zip")
    if as_json:
        inside = [{"name": part.name, "bytes": part.size} for part in parts]
        write_json({"file": str(path), "inside": inside}, "bundle")
        return
    for part in parts:
        say(f"{size(part.size):>10}  {part.name:20} {part.what}")
    say(f"written to {path}: no rows, weights or secrets")
