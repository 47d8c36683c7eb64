"""`tuiftune reproduce`: the same run again, what is not as it was then, and whether it came out the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuiftune.cli import complete
from tuiftune.cli.options import Json, Quiet, Runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiftune.preset.schema import Preset
    from tuiftune.runs.provenance import Difference, Provenance
    from tuiftune.runs.store.directory import RunDir


def reproduce(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Name or path of the run.", autocompletion=complete.runs)
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Only tell what differs today; train nothing. Exit 1 if anything does."),
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the new run; else RUN-again.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Train even if the data or the base model differs.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
    runs: Runs = None,
) -> None:
    """Make the same run again, and say what differs: data, model, libraries, machine, and the result.

    Exit code 0 means that every loss and the weights are equal to the bit; 1, that something differs;
    otherwise that of the new run.
    """
    from tuiftune.cli.terminal import say, write_json
    from tuiftune.errors import UserError
    from tuiftune.runs.store.find import find

    found = find(run, runs)
    plan = found.plan()
    if plan.changed:
        keys = ", ".join(sorted(plan.changed))
        raise UserError(
            f"was resumed with other settings ({keys}), so no single run makes it again",
            place=found.name,
            remedy=f"train its preset as a new run: tuiftune train {found.preset_path}",
        )
    then = dict(plan.document.get("provenance") or {})
    if then:  # of a model that was downloaded, only the result knows what its files held
        then["model"] = ((found.result() or {}).get("provenance") or then)["model"]
    if not then:
        say(f"{found.name} was made by an earlier version, which recorded no provenance")
    preset = plan.preset(str(found.plan_path))
    document: dict[str, Any] = {
        "run": str(found.path),
        "again": None,
        "differences": [],
        "identical": None,
        "steps": None,
        "first_difference": None,
        "files": [],
    }
    if check:
        document["differences"] = _tell(then, _now(preset, found))
        code = int(bool(document["differences"]))
    else:
        code = _again(found, preset, then, document, name=name, force=force, runs=runs)
    if json:
        write_json(document, "reproduce")
    raise typer.Exit(code)


def _now(preset: Preset, run: RunDir) -> Provenance:
    from tuiftune.cli.terminal import say
    from tuiftune.plan.inputs import to_train
    from tuiftune.runs import provenance

    return provenance.of_inputs(to_train(preset, run.path.parent, say))


def _tell(then: dict[str, Any], now: Provenance) -> list[Difference]:
    from tuiftune.cli.terminal import say, sign
    from tuiftune.runs import provenance

    found = provenance.differences(then, now) if then else []
    for one in found:
        say(f"{sign('warn')} {one['what']}: was {one['then']}, is {one['now']}")
    if then and not found:
        say(f"{sign('ok')} data, base model, libraries and machine are as they were")
    return found


def _again(
    run: RunDir,
    preset: Preset,
    then: dict[str, Any],
    document: dict[str, Any],
    *,
    name: str | None,
    force: bool,
    runs: Path | None,
) -> int:
    """Train it, and compare. Returns the exit code."""
    from tuiftune.cli.follow import train_and_follow
    from tuiftune.cli.status import standing
    from tuiftune.cli.terminal import say
    from tuiftune.jobs.prepare import prepare
    from tuiftune.runs import reproduction
    from tuiftune.runs.log.lines import first_and_last
    from tuiftune.runs.state.readings import number

    def approve(now: Provenance) -> None:
        document["differences"] = _tell(then, now)
        if not force:
            _refuse(run, document["differences"])

    began = next((number(event, "t") for event in first_and_last(run.events_path)), None)
    again = prepare(
        preset.model_copy(update={"name": f"{run.name[:58]}-again"}),
        runs or run.path.parent,
        name,
        preflight=run.plan().preflight,
        say=say,
        approve=approve,
        reproduces={"run": str(run.path), "began": began},
    )
    document["again"] = str(again.path)
    code = train_and_follow(again)
    seen = standing(again)
    document |= {"state": seen["state"], "exit_code": seen["exit_code"]}
    if code:
        return code
    found = reproduction.compare(run, again)
    document |= found.document()
    _conclude(found)
    return 0 if found.identical else 1


def _refuse(run: RunDir, found: Sequence[Difference]) -> None:
    from tuiftune.errors import UserError
    from tuiftune.runs import provenance

    inputs = provenance.of_inputs_differ(found)
    if inputs:
        raise UserError(
            f"cannot be made again: {', '.join(one['what'] for one in inputs)} differ",
            place=run.name,
            remedy="restore them, or train with what is there now: --force",
        )


def _conclude(found: Any) -> None:
    from tuiftune.cli.terminal import say, sign

    if found.identical:
        say(f"{sign('ok')} the same to the bit: {found.steps:,} steps, {len(found.files)} files of weights")
        return
    if found.first is not None:
        step, then, now = found.first
        say(f"{sign('bad')} differs from step {step:,} on: loss {then}, now {now}")
    for name, (then, now) in found.files.items():
        if then != now:
            say(f"{sign('bad')} {name} differs")
    if not found.steps or not found.files:
        say(f"{sign('bad')} nothing to compare: one of the runs has no steps or no result")
