"""`tuiftune train` and `tuiftune resume`: prepare a run, start the engine, follow it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[
    Path | None, typer.Option("--runs", metavar="DIR", help="Where runs are kept; ./runs or $TUIFTUNE_RUNS.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Return at once; the run goes on by itself.")]
KeepAlive = Annotated[
    bool, typer.Option("--keep-alive", help="Start it again when it dies, is preempted or lacks memory.")
]


def train(
    preset: Annotated[str, typer.Argument(help="A preset file, or the name of a shipped one.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the run; else the preset's.")
    ] = None,
    detach: Detach = False,
    keep_alive: KeepAlive = False,
    preflight: Annotated[
        bool | None,
        typer.Option(
            "--preflight/--no-preflight",
            help="Measure memory on the longest rows first; without either: where there is a GPU.",
        ),
    ] = None,
    runs: Runs = None,
) -> None:
    """Run a preset: plan it here, train, score before and after. Ctrl-C offers to detach.

    Progress goes to standard error; the run's directory is printed on standard output.
    """
    from tuiftune.cli import terminal
    from tuiftune.jobs.prepare import prepare
    from tuiftune.preset import file, shipped

    wanted = file.load(shipped.find(preset))
    if set_:
        wanted = file.override(wanted, set_)
    run = prepare(wanted, runs, name, preflight=preflight, say=terminal.say)
    _run(run.path, detach, keep_alive=keep_alive)


def resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or path of the run.")],
    detach: Detach = False,
    keep_alive: KeepAlive = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if settings or data were changed, or it diverged.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as training.learning_rate."),
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", help="What the whole run may cost from now on.")
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option("--max-hours", help="How long the whole run may take from now on.")
    ] = None,
    runs: Runs = None,
) -> None:
    """Go on with a run from its newest sound checkpoint.

    A run that is done, or running, is left as it is. One that diverged goes on from its best checkpoint, with
    another learning rate.
    """
    from tuiftune.cli.terminal import say
    from tuiftune.errors import ExitCode, UserError
    from tuiftune.runs.state.liveness import vitals
    from tuiftune.runs.store import diverged
    from tuiftune.runs.store.find import find
    from tuiftune.runs.store.registry import register

    found = find(run, runs)
    register(found)
    seen = vitals(found)
    if seen.state == "done":
        say(f"{found.name} is done; `tuiftune report {found.name}` tells what came of it")
        return
    if set_:
        if seen.running:
            raise UserError(
                "is running", place=found.name, remedy=f"first stop it: `tuiftune stop {found.name} --wait`"
            )
        from tuiftune.runs.store.amend import change

        change(found, set_)
        diverged.settle(found)
    noted = diverged.noted(found)
    if noted is not None and not noted.settled and not force and not seen.running:
        raise UserError(noted.why, place=found.name, exit_code=ExitCode.DIVERGED)
    if max_usd is not None or max_hours is not None:
        from tuiftune.runs.store.amend import give_budget

        give_budget(found, max_usd=max_usd, max_hours=max_hours)
    _run(found.path, detach, force, keep_alive=keep_alive)


def _run(path: Path, detach: bool, force: bool = False, *, keep_alive: bool = False) -> None:
    from tuiftune.cli.follow import closing, train_and_follow
    from tuiftune.cli.follow import keep_alive as follow_alive
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import supervisor
    from tuiftune.runs.state.liveness import status
    from tuiftune.runs.store.directory import RunDir

    run = RunDir.open(path)
    typer.echo(str(run.path))
    if keep_alive and detach:
        pid, code = supervisor.detach(run, force=force), 0
        say(f"in the background, kept alive by process {pid}; `tuiftune watch {run.name}` shows it")
    elif keep_alive:
        code = follow_alive(run, force=force)
    else:
        code = train_and_follow(run, detach=detach, force=force)
    if not detach and status(run) == "done":
        for line in closing(run):
            say(line)
    raise typer.Exit(code)
