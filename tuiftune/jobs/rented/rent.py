"""Training on a rented machine: from a preset here to a run that is trained there and followed here."""

from __future__ import annotations

import shlex
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiftune import paths, trackers
from tuiftune.data.read.hub import looks_like_id
from tuiftune.errors import ExitCode, UserError
from tuiftune.figures import money, size
from tuiftune.hardware import known_gpus, prices
from tuiftune.jobs import copy_places
from tuiftune.jobs.rented import equip, inputs, machine, pulling, record, step
from tuiftune.jobs.rented import line as lines
from tuiftune.jobs.rented.faults import LineLostError
from tuiftune.jobs.rented.line import Line
from tuiftune.jobs.rented.mirror import patience
from tuiftune.jobs.rented.record import Record
from tuiftune.plan.inputs import DATA, WEIGHTS, look_through
from tuiftune.preset.file import dump, loads
from tuiftune.preset.naming import run_name
from tuiftune.preset.places import absolute
from tuiftune.runs.store import amend
from tuiftune.runs.store.directory import (
    RunDir,
    check_free,
    check_name,
    check_place,
    create,
    default_root,
    free_name,
)
from tuiftune.runs.store.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.jobs.rented.address import Address
    from tuiftune.jobs.rented.line import Watch
    from tuiftune.jobs.rented.machine import Machine
    from tuiftune.preset.schema import Preset

    Say = Callable[[str], None]

ERROR = "error: "
OFF_AFTER = 2  # attempts in a row that must fail
OFF_EVERY = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """`directory` there: None for `tuiftune` below the home. `python` there: None for an environment of ours.

    `sync`: copy the newest checkpoint here as it comes.
    """

    directory: str | None = None
    python: str | None = None
    sync: bool = False


def prepare(
    preset: Preset,
    address: Address,
    wanted: Wanted,
    root: Path | None,
    name: str | None,
    *,
    say: Say,
    watch: Watch,
    preflight: bool | None = None,
) -> RunDir:
    """Equip a machine, start a run there, and return its directory here. `backend.train` then follows it.

    Raises:
        UserError: for what is wrong here before anything is sent, what the machine lacks, and what its own
            tuiftune refuses, with that exit code.
    """
    root = root or default_root()
    lines.check()
    _check_here(preset, root, name)
    line = Line(address)
    say(f"looking at {address}")
    found = machine.examine(line, wanted.directory, wanted.python)
    for told in (*found.lines(), price_of(found, preset)):
        say(told)
    sent = inputs.sent(preset, inputs.root_of(found.place))
    machine.require_space(found, sent.bytes - _there(line, sent, found), address)
    name = _name(root, name or run_name(preset), found, address, asked=name is not None)
    equipped = equip.equip(line, found, wanted.python, say, watch, patience=patience())
    _send(line, sent, found, name, say, watch)
    kept = Record(
        host=address.host,
        user=address.user,
        port=address.port,
        run=f"{found.place}/runs/{name}",
        python=equipped.python,
        code=equipped.code,
        inputs=inputs.root_of(found.place),
        sync=wanted.sync or bool(preset.run.sync_to),
        report_to=tuple(preset.run.report_to),
        sync_to=preset.run.sync_to,
    )
    try:
        _start(line, found, equipped, name, say, preflight)
        return _created(line, kept, root, name, dump(absolute(preset)))
    except (LineLostError, KeyboardInterrupt):
        say(f"{address} may train it all the same. Follow it: `tuiftune watch {name} --on ssh:{address}`")
        raise


def attach(
    address: Address, wanted: Wanted, name: str, root: Path | None, *, say: Say, watch: Watch
) -> RunDir:
    """Return a directory here for a run that another machine's tuiftune started there.

    Raises UserError if there is no such run, or the name is taken here.
    """
    root = root or default_root()
    lines.check()
    check_name(name)
    check_free(root, name)
    line = Line(address)
    found = machine.examine(line, wanted.directory, wanted.python)
    if name not in found.runs:
        runs = ", ".join(found.runs) or "none"
        raise UserError(f"has no run {name} in {found.place}", place=str(address), remedy=f"it has: {runs}")
    equipped = equip.equip(line, found, wanted.python, say, watch, patience=patience())
    run = f"{found.place}/runs/{name}"
    kept = Record(
        host=address.host,
        user=address.user,
        port=address.port,
        run=run,
        python=equipped.python,
        code=equipped.code,
        inputs=inputs.root_of(found.place),
        sync=wanted.sync,
    )
    text = line.ask(f"cat {shlex.quote(run)}/preset.yaml", doing="reading its preset")
    return _created(line, kept, root, name, kept.here(text.decode("utf-8", "replace")))


def resume(run: RunDir, words: tuple[str, ...]) -> None:
    """Resume a run there with options of `tuiftune resume`. Raises UserError with what is said there."""
    kept = record.of(run)
    line = Line(kept.address)
    code, said = pulling.call(line, kept, "resume", kept.run, "--detach", *words)
    if code:
        known = code in {int(one) for one in ExitCode}
        raise UserError(said.removeprefix(ERROR), exit_code=ExitCode(code) if known else ExitCode.FAILED)
    amend.replace(run, _plan(line, kept, run.path))


def price_of(found: Machine, preset: Preset) -> str:
    """Return what is said of the machine's price per hour."""
    own, limit = preset.budget.usd_per_hour, preset.budget.max_usd
    cap = f"; the run stops at a checkpoint when it has cost {money(limit)}" if limit else ""
    if own is not None:
        return f"price: {money(own)}/hour, yours{cap}"
    try:
        names = [known_gpus.find(gpu.name).name for gpu in found.gpus]
    except UserError:
        names = []
    listed = [price for name in names for price in prices.known().of(name)[:1]]
    if not listed or len(listed) != len(names):
        return "price: unknown for this machine; name it with --price"
    usd = sum((price.low + price.high) / 2 for price in listed)
    return f"price: about {money(usd)}/hour ({listed[0].source}, {listed[0].date}); yours: --price{cap}"


def bills(run: RunDir) -> str:
    """Return the line that a machine costs money after the run as well."""
    kept = record.of(run)
    hour = run.planned().usd_per_hour
    rate = f" at {money(hour)}/hour" if hour else ""
    return f"{kept.address} still bills{rate} until you stop it at its provider"


def wait_until_off(run: RunDir, say: Say) -> None:
    """Return once the machine does not answer any more."""
    line, failed = Line(record.of(run).address), 0
    while failed < OFF_AFTER:
        try:
            line.ask("true", within=30)
            failed = 0
        except LineLostError:
            failed += 1
            if failed == OFF_AFTER:
                break
        time.sleep(OFF_EVERY)
    say(f"{record.of(run).address} does not answer any more")


def _check_here(preset: Preset, root: Path, name: str | None) -> None:
    """Find what is wrong on this side before anything is sent."""
    check_place(root, name)
    trackers.check(preset.run.report_to)
    copy_places.check(preset.run.sync_to)
    data = preset.data
    named = [data.train] if isinstance(data.train, str) else list(data.train)
    named += [one for one in (data.eval, data.test) if isinstance(one, str)]
    away = any(looks_like_id(one) for one in (*named, *(source.path for source in data.mix)))
    look_through(preset, without=(WEIGHTS, DATA) if away else (WEIGHTS,))


def _name(root: Path, name: str, found: Machine, address: Address, *, asked: bool) -> str:
    """A name that is free here and there. UserError if the one that was asked for is not."""
    if asked and name in found.runs:
        raise UserError(
            f"the name {name} is taken there",
            place=str(address),
            remedy=f"use another --name, or follow that run: tuiftune watch {name} --on ssh:{address}",
        )
    free, number = free_name(root, name), 1
    while free in found.runs:
        number += 1
        free = free_name(root, f"{name[:58]}-{number}")
    return free


def _there(line: Line, sent: inputs.Sent, found: Machine) -> int:
    """Bytes of the files that lie there already."""
    if not sent.files:
        return 0
    files = " ".join(shlex.quote(inputs.root_of(found.place) + file) for file in sent.files)
    answer = line.ask(f"du -skc -- {files} 2>/dev/null | tail -n 1", doing="measuring what is there").split()
    return min(int(answer[0]) * 1024, sent.bytes) if answer and answer[0].isdigit() else 0


def _send(line: Line, sent: inputs.Sent, found: Machine, name: str, say: Say, watch: Watch) -> None:
    """Copy the files that the preset names, and the preset."""
    root = inputs.root_of(found.place)
    with tempfile.TemporaryDirectory(prefix="tuiftune-preset-") as made:
        text = dump(sent.preset)
        loads(text, "preset")  # the machine must read what is written here
        file = Path(made) / f"{name}.yaml"
        file.write_text(text, encoding="utf-8")  # raw: our own directory
        line.ask(
            f"mkdir -p {shlex.quote(root)} {shlex.quote(found.place)}/presets", doing="making directories"
        )
        if sent.files:
            say(f"copying {size(sent.bytes)} of data and models")

        def copy() -> None:
            line.push(sent.files, root, doing="copying data and models", watch=watch)
            line.push(
                [str(file)], f"{found.place}/presets", doing="copying the preset", watch=watch, relative=False
            )

        lines.patiently(copy, patience(), say)


def _start(
    line: Line, found: Machine, equipped: equip.Equipped, name: str, say: Say, preflight: bool | None
) -> None:
    """Have the machine's tuiftune plan, download what is missing, and train in the background."""
    options = [] if preflight is None else ["--preflight" if preflight else "--no-preflight"]
    words = ["train", f"{found.place}/presets/{name}.yaml", "--name", name, "--runs", f"{found.place}/runs"]
    errors: list[str] = []
    own = inputs.root_of(found.place)

    def tell(text: str) -> None:
        text = text.replace(f"{own}/", "/")
        if text.startswith(ERROR):
            errors.append(text.removeprefix(ERROR))
        else:
            say(f"{found.host}: {text}")

    code = step.carry_out(
        line,
        found.place,
        equipped.command(*words, "--detach", *options),
        tell,
        patience=patience(),
        doing="preparing the run",
    )
    if code:
        known = code in {int(one) for one in ExitCode}
        raise UserError(
            errors[-1] if errors else f"the run could not be prepared (exit code {code})",
            place=str(line.address),
            exit_code=ExitCode(code) if known else ExitCode.FAILED,
        )


def _created(line: Line, kept: Record, root: Path, name: str, preset_text: str) -> RunDir:
    run = create(root, name, preset_text, _plan(line, kept, paths.absolute(root) / name))
    record.keep(run, kept)
    register(run)
    return run


def _plan(line: Line, kept: Record, path: Path) -> dict[str, Any]:
    """The plan there, with paths of this machine, and what this machine does for the run itself."""
    plan = pulling.plan(line, kept, str(path))
    told = plan.get("resolved", {}).get("run")
    if isinstance(told, dict) and (kept.report_to or kept.sync_to):
        told |= {"report_to": list(kept.report_to), "sync_to": kept.sync_to}
    return plan
