"""`tuiftune train` and `tuiftune resume`: prepare a run, start it, follow it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuiftune.cli import clouded, complete, rented, task_file
from tuiftune.cli.options import Quiet, Runs, Settings, Verbose

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

Detach = Annotated[bool, typer.Option("--detach", help="Start in the background and return immediately.")]
KeepAlive = Annotated[
    bool,
    typer.Option(
        "--keep-alive", help="Restart automatically after a crash, a preemption or a lack of GPU memory."
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="The run as one JSON document on standard output, at the end.")
]


def train(
    preset: Annotated[
        str,
        typer.Argument(
            metavar="PRESET",
            help="A preset file, the name of a built-in preset, or - for a pipe.",
            autocompletion=complete.presets,
        ),
    ],
    set_: Settings = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Name of the run. [default: the preset's name]"),
    ] = None,
    detach: Detach = False,
    keep_alive: KeepAlive = False,
    preflight: Annotated[
        bool | None,
        typer.Option(
            "--preflight/--no-preflight",
            help="Run a preflight check on the longest rows before training. [default: on if there is a GPU, "
            "and the same run was not measured here before]",
        ),
    ] = None,
    queue: Annotated[
        bool,
        typer.Option("--queue", help="Start when the GPU (or CPU) is free, after the runs queued before."),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="slurm[:PARTITION]|ssh:USER@HOST[:PORT]|sky[:GPU[:COUNT]]",
            help="Train as a job of a Slurm cluster, on a rented machine, or as a managed job of SkyPilot.",
        ),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu",
            metavar="NAME[:COUNT]",
            help="With --on: its GPU, where Slurm doesn't say; COUNT over all nodes.",
            autocompletion=complete.gpus,
        ),
    ] = None,
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="With --on: number of nodes.")] = 1,
    price: rented.Price = None,
    budget: rented.Budget = None,
    sync: rented.Sync = False,
    remote_dir: rented.Directory = None,
    remote_python: rented.Python = None,
    region: clouded.Region = None,
    spot: clouded.Spot = True,
    image: clouded.Image = None,
    or_resume: Annotated[
        bool,
        typer.Option(
            "--or-resume",
            help="Continue the run of this name, or its copy at run.sync_to, if there is one; else start it.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print the plan; start nothing.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Fine-tune a model from a preset, and evaluate it before and after.

    Press Ctrl-C to detach or stop. Progress goes to standard error, the run's directory to standard output.
    The exit code is the run's: 0 done, 4 stopped, 6 out of GPU memory, and so on (`tuiftune help`); with
    --detach, 0 once it was started. With --on ssh, the machine trains without this one, and there is also
    1 if it does not answer, 2 for its address, key, login or Python, 3 or 7 for its disk.
    The run is named after the preset, with a number if that name is taken; with --name, a name that is taken
    is an error (exit 2).
    """
    from tuiftune.cli import terminal
    from tuiftune.jobs.prepare import prepare
    from tuiftune.jobs.slurm_request import elsewhere
    from tuiftune.preset import file, shipped

    chain = file.load_each(shipped.find(preset), say=terminal.say)
    if set_:
        chain = [file.override(one, set_) for one in chain]
    if len(chain) > 1:
        from tuiftune.cli import chain as chains
        from tuiftune.errors import UserError

        if on is not None:
            raise UserError(
                "a chain of presets trains on this machine only",
                place="--on",
                remedy="write each preset into a file of its own",
            )

        chains.check(chain, name=name, detach=detach, queue=queue, dry_run=dry_run, json=json)
        raise typer.Exit(chains.train(chain, runs, keep_alive=keep_alive, preflight=preflight))
    wanted = chain[0]
    options = rented.Options(price, budget, sync, remote_dir, remote_python)
    on_sky = clouded.chosen(on, region=region, image=image, spot=spot)
    if rented.chosen(on, options):
        rented.refuse(
            gpu=gpu, nodes=nodes, queue=queue, keep_alive=keep_alive, dry_run=dry_run, or_resume=or_resume
        )
        run = rented.prepared(wanted, str(on), options, runs, name, preflight=preflight)
        for reason in run.planned().reasons if verbose else ():
            terminal.say(f"{reason.key} = {reason.value}: {reason.why} ({reason.source})")
        raise typer.Exit(rented.follow(run, detach=detach, json=json))
    if on_sky:
        clouded.refuse(
            gpu=gpu is not None, nodes=nodes != 1, queue=queue, keep_alive=keep_alive, dry_run=dry_run,
            or_resume=or_resume, preflight=preflight is not None,
        )  # fmt: skip
        asked = task_file.options(region, image, spot=spot)
        raise typer.Exit(clouded.train(wanted, str(on), asked, runs, name, detach=detach, json=json))
    place = elsewhere(on, gpu, nodes, keep_alive=keep_alive, queue=queue)
    for_gpu = None if place is None else place.gpu
    if dry_run:
        _dry_run(wanted, runs, name, for_gpu, json=json)
        return
    if or_resume:
        from tuiftune.cli.sync import begun

        if (found := begun(wanted, name, runs)) is not None:
            _run(found.path, detach, keep_alive=keep_alive, json=json)
    run = prepare(wanted, runs, name, preflight=preflight, say=terminal.say, gpu=for_gpu)
    if place is not None:
        place.note(run)
    for reason in run.planned().reasons if verbose else ():
        terminal.say(f"{reason.key} = {reason.value}: {reason.why} ({reason.source})")
    if queue:
        _queue(run, keep_alive=keep_alive, json=json)
        return
    _run(run.path, detach, keep_alive=keep_alive, json=json, on=None if place is None else place.backend)


def _queue(run: RunDir, *, keep_alive: bool, json: bool) -> None:
    """Put a run into the queue and return: the queue's own process starts it."""
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import queueing

    place = queueing.add(run, keep_alive=keep_alive)
    about = f"List: `tuiftune queue`  Remove: `tuiftune stop {run.name}`"
    say(f"{run.name} is number {place} in the queue. {about}")
    if json:
        from tuiftune.cli.status import standing
        from tuiftune.cli.terminal import write_json

        write_json(standing(run), "train")
    else:
        typer.echo(str(run.path))


def _dry_run(preset: Preset, root: Path | None, name: str | None, gpu: str | None, *, json: bool) -> None:
    """Print the plan of a run that could start now. UserError for whatever would keep it from starting."""
    from tuiftune.cli import terminal
    from tuiftune.jobs.prepare import ready
    from tuiftune.plan.document import document

    plan = ready(preset, root, name, say=terminal.say, gpu=gpu)[1]
    if json:
        terminal.write_json(document(plan), "plan")
        return
    from tuiftune.cli.plan_view import show

    show(plan, terminal.out(), linear=terminal.unwrapped() or None)
    terminal.say("dry run: nothing was started")


def resume(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="Name or path of the run. [default: that of --from]",
            autocompletion=complete.runs,
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="Fetch a run first that `tuiftune sync` copied."),
    ] = None,
    detach: Detach = False,
    keep_alive: KeepAlive = False,
    force: Annotated[
        bool, typer.Option("--force", help="Resume even if settings or data have changed, or it diverged.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting, such as training.learning_rate.",
            autocompletion=complete.settings,
        ),
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", help="New budget limit of the whole run, in US dollars.")
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option("--max-hours", help="New time limit of the whole run, in hours.")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Resume a run from its newest verified checkpoint.

    A run that is done or running is not changed. A run that diverged is resumed from its best checkpoint,
    with another learning rate. The exit code is the run's, as of `tuiftune train`.
    """
    from tuiftune.cli.terminal import say
    from tuiftune.errors import ExitCode, UserError
    from tuiftune.runs.state.liveness import vitals
    from tuiftune.runs.store import diverged
    from tuiftune.runs.store.find import find
    from tuiftune.runs.store.registry import register

    if from_ is not None:
        from tuiftune.cli.sync import fetched

        found = fetched(from_, run, runs)
    elif run is None:
        raise UserError("no run is named", place="resume", remedy="name one, or its copy: --from URL")
    else:
        found = find(run, runs)
    register(found)
    if rented.has(found):
        words = rented.resume_words(force=force, settings=set_, max_usd=max_usd, max_hours=max_hours)
        raise typer.Exit(rented.resume(found, words, keep_alive=keep_alive, detach=detach, json=json))
    if clouded.has(found):
        changed = bool(set_ or max_usd is not None or max_hours is not None or force)
        raise typer.Exit(
            clouded.resume(found, changed=changed, keep_alive=keep_alive, detach=detach, json=json)
        )
    seen = vitals(found)
    if seen.state == "done":
        say(f"{found.name} is already done. See its results: `tuiftune report {found.name}`")
        if json:
            from tuiftune.cli.status import standing
            from tuiftune.cli.terminal import write_json

            write_json(standing(found), "train")
        return
    if set_:
        if seen.running:
            raise UserError(
                "settings of a running run cannot be changed",
                place=found.name,
                remedy=f"stop it first: `tuiftune stop {found.name} --wait`",
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
    if not seen.running:
        from tuiftune.jobs.prepare import bring_models, check_inputs

        if detach:
            check_inputs(found)
        bring_models(found)
    _run(found.path, detach, force, keep_alive=keep_alive, json=json)


def _run(
    path: Path,
    detach: bool,
    force: bool = False,
    *,
    keep_alive: bool = False,
    json: bool = False,
    on: str | None = None,
) -> None:
    from tuiftune.cli.follow import closing, train_and_follow
    from tuiftune.cli.follow import keep_alive as follow_alive
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import supervisor
    from tuiftune.runs.state.liveness import status
    from tuiftune.runs.store.directory import RunDir

    run = RunDir.open(path)
    if not json:
        typer.echo(str(run.path))
    if keep_alive and detach:
        pid, code = supervisor.detach(run, force=force), 0
        say(
            f"Running in the background, restarted automatically by process {pid}. "
            f"Watch it: `tuiftune watch {run.name}`"
        )
    elif keep_alive:
        code = follow_alive(run, force=force)
    else:
        code = train_and_follow(run, detach=detach, force=force, on=on)
    if not detach and status(run) == "done":
        for line in closing(run):
            say(line)
    if json:
        from tuiftune.cli.status import standing
        from tuiftune.cli.terminal import write_json

        write_json(standing(run), "train")
    raise typer.Exit(code)
