"""`tuiftune plan --as`: a plan as a task file of another program."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.jobs.task_files.base import TaskFile
    from tuiftune.jobs.task_files.task import Options, Task
    from tuiftune.plan.inputs import Inputs
    from tuiftune.plan.model import Plan

As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="PROGRAM",
        help="Write a task file instead: slurm, sky (SkyPilot), dstack or k8s (a Kubernetes Job).",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="DIR",
        help="With --as: write it there, with the files and the wheel it needs. [default: standard output]",
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region", metavar="CLOUD[/REGION[/ZONE]]", help="With sky, dstack, k8s: where. [default: anywhere]"
    ),
]
Spot = Annotated[
    bool, typer.Option("--spot/--on-demand", help="With sky, dstack: rent spot machines, or others.")
]
Image = Annotated[
    str | None,
    typer.Option("--image", metavar="IMAGE", help="With sky, dstack, k8s: a container image with tuiftune."),
]


def options(region: str | None, image: str | None, *, spot: bool) -> Options:
    """Return what is asked for besides the preset. UserError for a malformed region or image."""
    from tuiftune.jobs.task_files.making import check_image, check_region
    from tuiftune.jobs.task_files.task import Options

    if region is not None:
        check_region(region)
    if image is not None:
        check_image(image)
    return Options(region or "", spot, image or "")


def refuse_without(kind: str | None, **given: bool) -> None:
    """Raise UserError for options of task files where none is asked for."""
    from tuiftune.errors import UserError

    for option, is_given in given.items():
        if is_given and kind is None:
            place = "--" + option.replace("_", "-")
            raise UserError("is of use with --as only", place=place, remedy="add --as sky, or leave it out")


def write(inputs: Inputs, plan: Plan, name: str, asked: Options, output: Path | None, *, json: bool) -> None:
    """Print a task file, or write its directory."""
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.jobs.task_files import base, directory, making

    kind = base.find(name)
    made = making.of(inputs, plan, kind, asked)
    text = kind.text(made)
    names: list[str] = []
    if output is not None:
        with watching() as watch:
            names = directory.write(output, kind, made, lambda file: watch(f"copying {file}", None))
    if json:
        write_json(document(kind, made, text, names), "task-file")
    elif output is None:
        sys.stdout.write(text)
    _say(kind, made, plan, output, names, say)


def document(kind: TaskFile, made: Task, text: str, names: list[str]) -> dict[str, object]:
    """Return a task file as values."""
    return {
        "program": kind.key,
        "file": kind.file,
        "text": text,
        "command": kind.command,
        "checked_against": kind.checked_against or None,
        "gpu": made.gpu,
        "count": made.count,
        "disk_gib": made.disk_gib,
        "bucket": made.bucket or None,
        "inputs": list(made.files),
        "written": names,
    }


def _say(
    kind: TaskFile, made: Task, plan: Plan, output: Path | None, names: list[str], say: Callable[[str], None]
) -> None:
    """On standard error: what was written, and how it is started."""
    from tuiftune.figures import plural

    asked = plan.gpu.get("count")
    if made.gpu is not None and asked != made.count:
        say(f"The plan uses {made.count} of {asked} GPUs, so that many are asked for.")
    if output is not None:
        say(f"written to {output}: {', '.join(names)}")
        say(f"start it: cd {shlex.quote(str(output))} && {kind.command}")
    elif kind.carries:
        say("it needs its files next to it: write them too with --output DIR")
    if made.files and kind.bucket and not kind.carries:
        say(
            f"{kind.file} contains {plural(len(made.files), 'file')} of this machine: {', '.join(made.files)}"
        )
    if kind.checked_against:
        say(f"Checked against the schema of {kind.checked_against}; not started by us.")
