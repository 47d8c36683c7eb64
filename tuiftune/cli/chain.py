"""A chain: several runs one after another, from a preset file of several documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tuiftune import run_models, stages, techniques
from tuiftune.errors import ExitCode, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir


def check(
    presets: Sequence[Preset],
    *,
    name: str | None,
    detach: bool,
    dry_run: bool,
    json: bool,
    queue: bool = False,
) -> None:
    """UserError for what a chain can't be started with."""
    options = {"--name": name, "--detach": detach, "--queue": queue, "--dry-run": dry_run, "--json": json}
    for option, given in options.items():
        if given:
            raise UserError(
                f"a file of {len(presets)} presets is a chain, which waits for each of its runs",
                place=option,
                remedy=f"leave {option} out",
            )
    names = [preset.name for preset in presets]
    again = next((one for one in names if names.count(one) > 1), None)
    if again is not None:
        raise UserError(
            f"two presets of the chain have the name {again}",
            place="name",
            remedy="give each preset of the file a name of its own",
        )
    for at, preset in enumerate(presets):
        _check_base(preset, presets[:at], names[at:])


def _check_base(preset: Preset, before: Sequence[Preset], later: Sequence[str]) -> None:
    """UserError for a base model that the chain only comes to later, or that writes nothing."""
    from tuiftune.runs.store.base import scores_only

    name = preset.model.base.removeprefix(run_models.PREFIX)
    if name == preset.model.base:
        return
    place = f"model.base: {preset.model.base}"
    if name in later:
        which = "is this run itself" if name == preset.name else "is trained later in this chain"
        raise UserError(f"{name} {which}", place=place, remedy="put the presets in the order of their runs")
    if any(one.name == name and stages.every()[one.method.stage].scores for one in before):
        raise scores_only(place)


def _check_rows(preset: Preset) -> None:
    """UserError for rows or options that the run will refuse, while no run before it has taken its time."""
    from tuiftune.plan.inputs import load_rows

    technique = techniques.every().get(preset.method.technique)
    adapted = technique is None or technique.adapters
    stages.every()[preset.method.stage].check_method(preset.method, adapted=adapted)
    load_rows(preset)


def train(presets: Sequence[Preset], root: Path | None, *, keep_alive: bool, preflight: bool | None) -> int:
    """Train one preset after another. `run:NAME` in a base model means the chain's own run of that preset.

    Returns the exit code of the first run that does not come to its end, and starts none after it.
    """
    from tuiftune.cli import follow
    from tuiftune.cli.terminal import say
    from tuiftune.jobs.prepare import prepare
    from tuiftune.runs.state.liveness import status

    for preset in presets[1:]:
        say(f"checking the rows of {preset.name}")
        _check_rows(preset)
    done: dict[str, RunDir] = {}
    for number, preset in enumerate(presets, 1):
        say(f"run {number} of {len(presets)}: {preset.name}")
        run = prepare(begun(preset, done), root, None, preflight=preflight, say=say)
        typer.echo(str(run.path))
        code = follow.keep_alive(run) if keep_alive else follow.train_and_follow(run, detach=False)
        if code or status(run) != "done":
            left = len(presets) - number
            say(f"The chain ends here; runs not started: {left}." if left else "The chain ends here.")
            return int(code) or int(ExitCode.FAILED)
        for line in follow.closing(run):
            say(line)
        done[preset.name] = run
    return 0


def begun(preset: Preset, done: Mapping[str, RunDir]) -> Preset:
    """The preset with the run that its base model names, whose adapter is merged if it came to one."""
    name = preset.model.base.removeprefix(run_models.PREFIX)
    if not preset.model.base.startswith(run_models.PREFIX) or name not in done:
        return preset
    run = done[name]
    _merged(run)
    return preset.with_values({"model.base": f"{run_models.PREFIX}{run.path}"})


def _merged(run: RunDir) -> None:
    from tuiftune.cli.terminal import say
    from tuiftune.deploy import exporting
    from tuiftune.deploy.request import Wanted
    from tuiftune.runs.store.base import is_whole

    if is_whole(run):
        return
    say(f"merging the adapter of {run.name} into its base model")
    exporting.export(exporting.prepare(run, Wanted("merged")), lambda told: None)
