"""`tuiftune sync`: a run's copy in a directory or an object store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune import paths
from tuiftune.cli import complete
from tuiftune.cli.options import Runs

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir


def sync(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Name or path of the run.", autocompletion=complete.runs)
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="URL",
            help="A directory, s3://, gs:// or hf://. [default: the preset's]",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Continue until the run ends.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait if another process copies the run, and add what is missing.")
    ] = False,
    runs: Runs = None,
) -> None:
    """Copy a run's checkpoints, log and result to a directory or an object store.

    `run.sync_to` in a preset does it while the run trains. Only what is new is sent. `tuiftune resume --from
    URL/NAME` continues it on another machine. Exit codes: 0 copied, 1 the place failed, 2 bad input.
    """
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import say
    from tuiftune.figures import size
    from tuiftune.jobs import copies
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    with watching() as watch:
        copied = copies.copy(
            found, to, follow=follow, wait=wait, watch=lambda file: watch(f"sending {file}", None)
        )
    steps = ", ".join(str(step) for step in copied.steps) or "none"
    say(f"Copied to {copied.url}: {size(copied.sent_bytes)} in all; checkpoints of steps: {steps}")


def begun(preset: Preset, name: str | None, runs: Path | None) -> RunDir | None:
    """Return the run of that name, from here or from its copy, for `tuiftune train --or-resume`."""
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import copies
    from tuiftune.preset.naming import run_name
    from tuiftune.runs.store.directory import RunDir, default_root
    from tuiftune.runs.store.registry import register

    name, root = name or run_name(preset), runs or default_root()
    there = f"{preset.run.sync_to.rstrip('/')}/{name}" if preset.run.sync_to else None
    if not paths.gone(root / name):
        found = RunDir.open(root / name)
    elif there is not None and copies.resumable(there):
        found = fetched(there, name, root)
    else:
        return None
    register(found)
    say(f"Continuing {found.name}")
    return found


def fetched(url: str, name: str | None, runs: Path | None) -> RunDir:
    """Fetch a copied run into the directory of runs, for `tuiftune resume --from`."""
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import copies_back
    from tuiftune.runs.store.directory import default_root

    with watching() as watch:
        run = copies_back.fetch(
            url, runs or default_root(), name, lambda file: watch(f"fetching {file}", None)
        )
    say(f"Fetched {run.path}")
    return run
