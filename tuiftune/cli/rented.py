"""`--on ssh:USER@HOST`: a rented machine is equipped, trains, is followed, and still bills at the end."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tuiftune.jobs.rented.rent import Wanted
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

SSH = "ssh"
Price = Annotated[
    float | None,
    typer.Option("--price", metavar="USD", help="With --on ssh: its price per hour. [default: price table]"),
]
Budget = Annotated[
    float | None,
    typer.Option("--budget", metavar="USD", help="With --on ssh: stop with a checkpoint at this cost."),
]
Sync = Annotated[
    bool, typer.Option("--sync", help="With --on ssh: copy the newest checkpoint here as it comes.")
]
Directory = Annotated[
    str | None,
    typer.Option("--remote-dir", metavar="DIR", help="With --on ssh: directory there. [default: ~/tuiftune]"),
]
Python = Annotated[
    str | None,
    typer.Option(
        "--remote-python",
        metavar="PATH",
        help="With --on ssh: a Python there that has the packages; nothing is installed.",
    ),
]


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a rented machine; see `Wanted`."""

    price: float | None = None
    budget: float | None = None
    sync: bool = False
    directory: str | None = None
    python: str | None = None

    def wanted(self) -> Wanted:
        from tuiftune.jobs.rented.rent import Wanted

        return Wanted(self.directory, self.python, self.sync)


def chosen(on: str | None, options: Options) -> bool:
    """Return True if `--on` names a rented machine. Raises UserError for its options without one."""
    from tuiftune.errors import UserError

    if on is not None and on.partition(":")[0] == SSH:
        return True
    given = {
        "--price": options.price is not None,
        "--budget": options.budget is not None,
        "--sync": options.sync,
        "--remote-dir": options.directory is not None,
        "--remote-python": options.python is not None,
    }
    for option, is_given in given.items():
        if is_given:
            raise UserError("is of use with --on ssh only", place=option, remedy="add --on ssh:USER@HOST")
    return False


def refuse(
    *,
    gpu: str | None = None,
    nodes: int = 1,
    queue: bool = False,
    keep_alive: bool = False,
    dry_run: bool = False,
    or_resume: bool = False,
) -> None:
    """Raise UserError for options that a rented machine does not take."""
    from tuiftune.errors import UserError

    for option, given, instead in (
        ("--gpu", gpu is not None, "leave it out: the machine is planned for as it is"),
        ("--nodes", nodes != 1, "leave it out"),
        ("--queue", queue, "leave it out"),
        ("--keep-alive", keep_alive, "leave it out; `tuiftune resume` continues the run"),
        ("--or-resume", or_resume, "leave it out; `tuiftune resume` continues the run"),
        ("--dry-run", dry_run, "plan for its GPU here: tuiftune plan PRESET --gpu NAME"),
    ):
        if given:
            raise UserError("does not go with --on ssh", place=option, remedy=instead)


def prepared(
    preset: Preset,
    on: str,
    options: Options,
    root: Path | None,
    name: str | None,
    *,
    preflight: bool | None,
) -> RunDir:
    """Start a run on a rented machine, and return its directory here."""
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import say
    from tuiftune.errors import UserError
    from tuiftune.jobs.rented import rent
    from tuiftune.jobs.rented.address import parse
    from tuiftune.preset.file import override

    address = parse(on)
    own = (("--price", "budget.usd_per_hour", options.price), ("--budget", "budget.max_usd", options.budget))
    for option, _, value in own:
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"{value:g} is not above 0", place=option, remedy="name it in US dollars")
    settings = [f"{key}={value}" for _, key, value in own if value is not None]
    preset = override(preset, settings) if settings else preset
    with watching() as watch:
        return rent.prepare(
            preset, address, options.wanted(), root, name, say=say, watch=watch, preflight=preflight
        )


def has(run: RunDir) -> bool:
    """Return True if a rented machine has the run."""
    from tuiftune.jobs import backend

    return backend.named(run) == SSH


def resume_words(
    *, force: bool, settings: list[str] | None, max_usd: float | None, max_hours: float | None
) -> tuple[str, ...]:
    """Return the options of `tuiftune resume` as they are passed on to the machine."""
    words = ["--force"] if force else []
    for setting in settings or ():
        words += ["--set", setting]
    for option, value in (("--max-usd", max_usd), ("--max-hours", max_hours)):
        words += [] if value is None else [option, str(value)]
    return tuple(words)


def resume(run: RunDir, words: tuple[str, ...], *, keep_alive: bool, detach: bool, json: bool) -> int:
    """Resume a run on its machine, and follow it. Returns the exit code of the command."""
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import backend
    from tuiftune.jobs.rented import rent
    from tuiftune.runs.state.liveness import status

    refuse(keep_alive=keep_alive)
    backend.attend(run, again=True)
    if status(run) == "done":
        say(f"{run.name} is already done. See its results: `tuiftune report {run.name}`")
        return 0
    rent.resume(run, words)
    return follow(run, detach=detach, json=json)


def attach(
    name: str, on: str, directory: str | None, python: str | None, root: Path | None, *, sync: bool
) -> RunDir:
    """Return a directory here for a run of a rented machine that was started from elsewhere."""
    from tuiftune.cli.data_progress import watching
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import backend
    from tuiftune.jobs.rented import rent
    from tuiftune.jobs.rented.address import parse

    with watching() as watch:
        run = rent.attach(parse(on), rent.Wanted(directory, python, sync), name, root, say=say, watch=watch)
    backend.take_over(run, SSH)
    return run


def follow(run: RunDir, *, detach: bool, json: bool) -> int:
    """Follow a run that was started there to its end. Returns the exit code of the command."""
    from tuiftune.cli.follow import follow_elsewhere, interactive
    from tuiftune.cli.terminal import say
    from tuiftune.jobs import backend
    from tuiftune.jobs.rented import rent
    from tuiftune.runs.state.follow import Follower
    from tuiftune.runs.state.liveness import status

    follower = Follower(run)
    follower.refresh()  # events of an earlier process are not printed again
    pid = backend.take_over(run, SSH)
    if not json:
        typer.echo(str(run.path))
    words = f"Training there. Watch it: `tuiftune watch {run.name}`" if detach else ""
    code = follow_elsewhere(run, follower, pid, detached=words, json=json)
    say(f"{rent.bills(run)}.")
    if not detach and interactive() and status(run) != "running" and _asked("Wait here until it is off?"):
        say("Stop it at its provider now. Ctrl-C leaves it as it is.")
        rent.wait_until_off(run, say)
    return code


def _asked(question: str) -> bool:
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    try:
        return sys.stdin.readline().strip().lower().startswith("y")
    except KeyboardInterrupt:
        return False
