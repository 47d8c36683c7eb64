"""`--on sky[:GPU[:COUNT]]`: a managed job of SkyPilot, submitted and followed from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.jobs.task_files.task import Options
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

SKY = "sky"
Region = Annotated[
    str | None,
    typer.Option(
        "--region", metavar="CLOUD[/REGION[/ZONE]]", help="With --on sky: where. [default: the cheapest]"
    ),
]
Spot = Annotated[
    bool, typer.Option("--spot/--on-demand", help="With --on sky: rent spot machines, or others.")
]
Image = Annotated[
    str | None,
    typer.Option("--image", metavar="IMAGE", help="With --on sky: a container image with tuiftune."),
]


def chosen(on: str | None, *, region: str | None, image: str | None, spot: bool) -> bool:
    """Return True if `--on` names SkyPilot. Raises UserError for its options without it."""
    if on is not None and on.partition(":")[0] == SKY:
        return True
    for option, given in (
        ("--region", region is not None),
        ("--image", image is not None),
        ("--on-demand", not spot),
    ):
        if given:
            raise UserError("is of use with --on sky only", place=option, remedy="add --on sky:GPU")
    return False


def refuse(**given: bool) -> None:
    """Raise UserError for options that a run of SkyPilot does not take."""
    for option, is_given in given.items():
        if is_given:
            place = "--" + option.replace("_", "-")
            raise UserError("does not go with --on sky", place=place, remedy="leave it out")


def train(
    preset: Preset,
    on: str,
    options: Options,
    root: Path | None,
    name: str | None,
    *,
    detach: bool,
    json: bool,
) -> int:
    """Submit a run to SkyPilot, and follow it. Returns the exit code of the command."""
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import say
    from tuiftune.jobs.cloud import launching

    gpu = launching.parse(on)
    with watching() as watch:
        run = launching.prepare(
            preset, gpu, options, root, name, say=say, watch=lambda file: watch(f"copying {file}", None)
        )
    return follow(run, detach=detach, json=json)


def has(run: RunDir) -> bool:
    """Return True if SkyPilot has the run."""
    from tuiftune.jobs import backend

    return backend.named(run) == SKY


def resume(run: RunDir, *, changed: bool, keep_alive: bool, detach: bool, json: bool) -> int:
    """Submit a run again, which continues from its copy. Returns the exit code of the command."""
    from tuiftune.cli.terminal import say
    from tuiftune.runs.state.liveness import status

    refuse(keep_alive=keep_alive)
    if changed:
        raise UserError(
            "its settings are those of its task, which cannot be changed from here",
            place=run.name,
            remedy="fetch its copy and change it here: tuiftune resume --from URL --set …",
        )
    if status(run) == "done":
        say(f"{run.name} is already done. See its results: `tuiftune report {run.name}`")
        return 0
    return follow(run, detach=detach, json=json)


def follow(run: RunDir, *, detach: bool, json: bool) -> int:
    """Submit a run, and follow it to its end."""
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.follow import follow_elsewhere
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import backend
    from tuiftune.jobs.cloud import record
    from tuiftune.runs.state.follow import Follower

    follower = Follower(run)
    follower.refresh()  # events of an earlier job are not printed again
    with watching() as watch:
        watch("submitting to SkyPilot", None)
        pid = backend.train(run, on=SKY)
    if not json:
        typer.echo(str(run.path))
    job = record.of(run)
    say(f"Submitted to SkyPilot as {job.job}. Its copy, once a minute: {job.copy}")
    words = f"Watch it: `tuiftune watch {run.name}`  Stop: `tuiftune stop {run.name}`" if detach else ""
    return follow_elsewhere(run, follower, pid, detached=words, json=json)
