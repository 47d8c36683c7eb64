"""One export from beginning to end: checked, written into a hidden directory, verified, put in its place.

Everything that can be wrong on the user's side and does not need the model is found before anything is
written. What is written lies in a hidden directory next to its place until it is whole; the same export
continues there, another one removes it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuiftune import engine_call, locked, paths
from tuiftune.deploy import every, find, manifest
from tuiftune.deploy.card import card
from tuiftune.deploy.facts import facts_of
from tuiftune.deploy.request import Prepared
from tuiftune.engine_call import Job
from tuiftune.errors import ExitCode, UserError
from tuiftune.preset.sizes import format_size
from tuiftune.printable import printable
from tuiftune.runs.store import base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tuiftune.deploy.base import Facts, Form, Target
    from tuiftune.deploy.request import Wanted
    from tuiftune.runs.store.directory import RunDir

SPARE = 64 << 20  # bytes: tokenizer, cards, the file system's own
REQUEST = "request.json"
LONGEST_LINE = 1 << 16  # bytes read of the first line of a log


def prepare(run: RunDir, wanted: Wanted) -> Prepared:
    """Check all that can be checked before anything is written. UserError names what is in the way."""
    target = find(wanted.target)
    form = target.form(wanted.quantize)
    if form is None:
        known = ", ".join(one.key for one in target.forms)
        raise UserError(
            f"{printable(str(wanted.quantize))} is not a precision of {target.key}",
            place="--quantize",
            remedy=f"one of {known}",
        )
    for name, _ in wanted.options:
        if name not in target.options:
            takers = ", ".join(one.key for one in every().values() if name in one.options)
            raise UserError(
                f"--to {target.key} has no use for it",
                place=f"--{name.replace('_', '-')}",
                remedy=f"leave it out; it belongs to {takers}",
            )
    facts = _able(run, wanted, target, form)
    if facts.adapter and facts.source is None and wanted.base is None:
        base.bring(run)
        facts = _able(run, wanted, target, form)
    name = target.key if form is target.forms[0] else f"{target.key}-{form.key}"
    place = paths.absolute(wanted.output) if wanted.output is not None else run.path / "exports" / name
    prepared = Prepared(run, wanted, target, form, facts, place)
    _check_place(prepared)
    _check_disk(prepared)
    return prepared


def _able(run: RunDir, wanted: Wanted, target: Target, form: Form) -> Facts:
    """The facts of a run that can leave in a form. UserError for one that can't, as far as is known yet."""
    facts = facts_of(run, wanted.base)
    if (refused := target.refuses(facts, form)) is not None:
        raise UserError(refused[0], place=f"--to {target.key}", remedy=refused[1])
    check_tools(target, facts, form, dict(wanted.options))
    return facts


def check_tools(target: Target, facts: Facts, form: Form, options: Mapping[str, str]) -> None:
    """UserError for a package or a program that a target needs and that is not on this machine."""
    for need in target.needs:
        if importlib.util.find_spec(need.module) is None:
            raise UserError(
                f"{target.name} needs the package {need.module} ({need.why})",
                place=f"--to {target.key}",
                remedy=f"pip install 'tuiftune[{need.extra}]'",
            )
    target.tools(facts, form, options)


def export(prepared: Prepared, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Write, verify and place an export. `tell` is told {"phase", "done", "total"} as it proceeds.

    Returns: the manifest, with `state` verified, failed or not verified, and `directory`.
    """
    began = time.monotonic()
    with _alone(prepared.staged):
        return _written(prepared, tell, began)


def _written(prepared: Prepared, tell: Callable[[dict[str, Any]], None], began: float) -> dict[str, Any]:
    staged = _stage(prepared)
    request = staged / REQUEST
    try:
        said = engine_call.follow(Job("export", ("--request", str(request))), tell, place=prepared.run.name)
        request.unlink(missing_ok=True)
        document = _document(prepared, said) | {"seconds": round(time.monotonic() - began, 1)}
        prepared.target.finish(staged, prepared.facts, prepared.form)
        (staged / "README.md").write_text(card(prepared, document), encoding="utf-8")  # raw: ours
        document["files"] = manifest.files(staged)
        document["bytes"] = sum(one["bytes"] for one in document["files"])
        manifest.write(staged, document)
        _place(staged, prepared.place)
    except OSError as fault:
        raise paths.cannot(fault, fault.filename or staged, "write") from None
    return document | {"directory": str(prepared.place)}


def upload(prepared: Prepared, document: dict[str, Any]) -> str | None:
    """Send a written export where its target sends it. Returns the address; None where nothing was sent.

    What failed its verification stays here.
    """
    if prepared.target.upload is None or document["state"] == "failed":
        return None
    return prepared.target.upload(prepared.place, prepared.facts, dict(prepared.wanted.options))


def _document(prepared: Prepared, said: dict[str, Any]) -> dict[str, Any]:
    from tuiftune import __version__

    verified = said.get("verified")
    state: manifest.State = "not verified"
    if verified is not None:
        state = "failed" if verified["faults"] else "verified"
    return {
        "version": 1,
        "state": state,
        "run": prepared.run.name,
        "log": _identity(prepared.run),
        "target": prepared.target.key,
        "quantize": prepared.form.key,
        "base": prepared.facts.base,
        "tuiftune": __version__,
        **said,
        "not_run": prepared.target.not_run or None,
        "use": prepared.target.use(prepared.place, prepared.facts, prepared.form),
    }


def _check_place(prepared: Prepared) -> None:
    """UserError where something lies in its place that is not an earlier export of the same run."""
    place = prepared.place
    if paths.gone(place):
        return
    paths.require(place)
    earlier = manifest.read(place) if paths.is_dir(place) else None
    if earlier is not None and earlier.get("run") == prepared.run.name:
        if earlier.get("log", "") not in ("", _identity(prepared.run)):
            raise UserError(
                "is an earlier export of another run of this name",
                place=printable(str(place)),
                remedy="name another directory with -o DIR",
            )
        _keep_others(place, earlier)
        return
    if paths.is_dir(place) and not paths.entries(place):
        return
    raise UserError(
        "is there already and is not an earlier export of this run",
        place=printable(str(place)),
        remedy="name another directory with -o DIR",
    )


def _identity(run: RunDir) -> str:
    """What tells a run from another of its name: a digest of the first line of its log; "" without one."""
    if not paths.is_file(run.events_path):
        return ""
    with open(run.events_path, "rb") as file:
        return hashlib.sha256(file.readline(LONGEST_LINE)).hexdigest()[:16]


@contextmanager
def _alone(staged: Path) -> Iterator[None]:
    """The directory to write into, which no other export writes into at the same time. UserError if one does.

    The lock is the directory's own, which ends with the process.
    """
    try:
        staged.mkdir(parents=True, exist_ok=True)
        held = os.open(staged, os.O_RDONLY)
    except OSError as fault:
        raise paths.cannot(fault, staged, "write") from None
    busy = UserError(
        "another export is writing there",
        place=printable(str(staged)),
        remedy="wait for it, or name another directory with -o DIR",
    )
    with locked.alone(held, busy):
        yield


def _keep_others(place: Path, earlier: Mapping[str, Any]) -> None:
    """UserError where an earlier export holds files that were put there since: a new one replaces it."""
    written = earlier.get("files")
    if not isinstance(written, list):  # one that was interrupted
        return
    known = {one.get("name") for one in written if isinstance(one, dict)}
    others = [one["name"] for one in manifest.files(place) if one["name"] not in known]
    if others:
        shown = ", ".join(map(printable, others[:3])) + (", …" if len(others) > 3 else "")
        raise UserError(
            f"holds files that are not of the earlier export ({shown}), and a new one would remove them",
            place=printable(str(place)),
            remedy="move them, or name another directory with -o DIR",
        )


def _check_disk(prepared: Prepared) -> None:
    """UserError with exit code 3 where the disk cannot hold it."""
    from tuiftune.hardware.disks import disk_of

    facts, share = prepared.facts, prepared.target.share
    needed = int(share * facts.size) + SPARE
    if not paths.gone(prepared.staged):
        needed -= sum(one["bytes"] for one in manifest.files(prepared.staged))
    disk = disk_of(prepared.place)
    if disk.total and needed > disk.free:
        raise UserError(
            f"not enough disk: {format_size(needed)} are needed, {format_size(disk.free)} are free",
            place=printable(str(prepared.place)),
            remedy="free some space, or name a directory on another disk with -o DIR",
            exit_code=ExitCode.DOES_NOT_FIT,
        )


def _stage(prepared: Prepared) -> Path:
    """The directory to write into, with what an earlier attempt of the same export left in it."""
    staged, wanted = prepared.staged, prepared.wanted
    request = {
        "run": str(prepared.run.path),
        "target": prepared.target.key,
        "form": prepared.form.key,
        "base": None if wanted.base is None else str(wanted.base),
        "verify": wanted.verify,
        "options": dict(wanted.options),
        "directory": str(staged),
    }
    result = paths.modified(prepared.run.result_path / "result.json")
    identity = {**request, "verify": None, "result": result}
    try:
        staged.mkdir(parents=True, exist_ok=True)
        if (manifest.read(staged) or {}).get("identity") != identity:
            for one in paths.entries(staged):
                linked = one.is_symlink()  # raw: in a directory of ours
                shutil.rmtree(one) if paths.is_dir(one) and not linked else one.unlink()
        manifest.write(staged, {"state": "unfinished", "run": prepared.run.name, "identity": identity})
        (staged / REQUEST).write_text(json.dumps(request), encoding="utf-8")  # raw: ours
    except OSError as fault:
        raise paths.cannot(fault, staged, "write") from None
    return staged


def _place(staged: Path, place: Path) -> None:
    """Rename the directory to its place; an earlier export there is removed once the new one is."""
    old = place.with_name(f".{place.name}.old")
    if not paths.gone(place):
        shutil.rmtree(old, ignore_errors=True)
        os.rename(place, old)
    os.rename(staged, place)
    shutil.rmtree(old, ignore_errors=True)
