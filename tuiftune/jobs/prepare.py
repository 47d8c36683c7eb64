"""From a preset to a run directory: the one path that the command line, the wizard and the demo all take.

Everything that can be wrong on the user's side is found here, before anything is written.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import __version__, paths, techniques
from tuiftune.errors import ExitCode, UserError
from tuiftune.printable import printable
from tuiftune.runs.store.checkpoints import STATES
from tuiftune.runs.store.directory import RunDir, check_name, check_root, create, default_root, free_name
from tuiftune.runs.store.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.data.dataset import Dataset
    from tuiftune.data.facts import DataFacts
    from tuiftune.data.similar.twins import Twins
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset

SPARE_BYTES = 64 * 1024 * 1024  # logs, tokenizer, samples


@dataclass(frozen=True, slots=True)
class Resolved:
    """A preset with all that was looked up for it: what is planned is what will be run."""

    preset: Preset
    plan: Plan
    model: BaseModel
    dataset: Dataset
    facts: DataFacts


def prepare(
    preset: Preset,
    root: Path | None = None,
    name: str | None = None,
    *,
    text: str | None = None,
    preflight: bool | None = None,
    say: Callable[[str], None] | None = None,
) -> RunDir:
    """A run directory that is ready to be launched, registered.

    `text` is the preset file as the user has it, where it is to be kept as such. `preflight`: measure memory
    before training; None: where there is a GPU.
    Without a `name` the preset's own is taken, with a number behind it where that is taken. `say` is told
    what is being done. UserError for anything that is wrong with preset, model, data, name or root; with exit
    code 3 where the run doesn't fit into memory or on the disk.
    """
    root = root or default_root()
    if name is not None:
        check_name(name)
    check_root(root)
    resolved = resolve(preset, root, say=say)
    check_fits(resolved, root)
    _check_cap(resolved)
    free = name or free_name(root, preset.name)
    return _create(resolved, root, free, text, preflight)


def resolve(
    preset: Preset, root: Path | None = None, *, say: Callable[[str], None] | None = None
) -> Resolved:
    """Look at machine, model and data, and plan. UserError where one of them can't be trained with."""
    from tuiftune.data.measure import measure
    from tuiftune.data.mix.sources import Mix
    from tuiftune.data.read.load import load
    from tuiftune.data.similar.twins import leakage_told
    from tuiftune.hardware.detect import detect
    from tuiftune.models import resolve as models
    from tuiftune.models.pinned import pinned
    from tuiftune.models.weights import require
    from tuiftune.plan.resolve import make_plan

    tell = say or _silent
    wanted = preset.data
    tell(f"reading {_shown(wanted.train)}")
    dataset = load(wanted.train, format=wanted.format, columns=wanted.columns or None, system=wanted.system)
    if dataset.stage in ("dpo", "kto"):
        raise UserError(
            f"these are {dataset.format} rows, and supervised fine-tuning needs one answer a row",
            place=_shown(wanted.train),
            remedy="keep the chosen answers only, or name the columns under data.columns",
        )
    tell(f"looking up {printable(preset.model.base)}")
    model = pinned(models.resolve(preset.model.base, preset.model.revision))
    require(model)
    tell(f"measuring {dataset.rows:,} rows")
    facts = measure(dataset, model, wanted.eval, mix=Mix.of(wanted), seed=preset.training.seed)
    leaks = _twins(dataset, preset)
    if words := leakage_told(leaks.document()):
        tell(f"warning: {words}; `tuiftune data clean --near` takes one of each away")
    tell("planning")
    plan = make_plan(preset, detect(root or default_root()), model, facts)
    return Resolved(preset, plan, model, dataset, facts)


def _twins(dataset: Dataset, preset: Preset) -> Twins:
    """Held-out rows of this run's own split that its own training rows hold as well."""
    from tuiftune.data.mix.sources import Mix, mixed
    from tuiftune.data.mix.split import split
    from tuiftune.data.similar.twins import twins

    train, held = split(dataset, preset.data.eval, preset.training.seed)
    mix = Mix.of(preset.data)
    return twins(mixed(train, held, mix, preset.training.seed).examples if mix else train, held)


def check_fits(resolved: Resolved, root: Path) -> None:
    """UserError with exit code 3 and the nearest alternatives where memory or disk space is not enough."""
    from tuiftune.hardware.disks import disk_of
    from tuiftune.preset.sizes import format_size

    plan = resolved.plan
    if not plan.fits:
        there = int(plan.gpu.get("memory_available") or plan.gpu.get("memory_total") or 0)
        ways = [printable(other.says) for other in plan.alternatives if other.fits][:3]
        raise UserError(
            f"does not fit: needs {format_size(plan.memory.needs)}, "
            f"{printable(str(plan.gpu.get('name')))} has {format_size(there)}",
            place=resolved.preset.name,
            remedy=f"what would fit: {'; '.join(ways)}" if ways else "take a smaller model or a larger card",
            exit_code=ExitCode.DOES_NOT_FIT,
        )
    needed, disk = disk_needed(resolved), disk_of(root)
    if disk.total and needed > disk.free:
        raise UserError(
            f"not enough disk: up to {format_size(needed)} are needed, {format_size(disk.free)} are free",
            place=printable(str(root)),
            remedy="keep fewer with --set run.checkpoints=1, free some space, or use another disk: --runs",
            exit_code=ExitCode.DOES_NOT_FIT,
        )


def _check_cap(resolved: Resolved) -> None:
    """UserError for a cap in money where no price is known: it could not be kept."""
    cap = resolved.preset.budget.max_usd
    if cap is not None and resolved.plan.usd_per_hour is None:
        machine = printable(str(resolved.plan.gpu.get("name")))
        raise UserError(
            f"no price of {machine} is known, so ${cap:g} can't be kept to",
            place="budget.max_usd",
            remedy="give yours with --set budget.usd_per_hour=PRICE, or cap the time: budget.max_hours",
        )


def disk_needed(resolved: Resolved) -> int:
    """Bytes a run writes at most: the checkpoints kept, one more while it is staged, and the result."""
    from tuiftune.plan.resolve import trainable_parameters

    chosen = resolved.plan.resolved
    adapters = chosen.method.adapter_dtype if techniques.find(chosen.method.technique).adapters else "float32"
    element = 2 if adapters == "bfloat16" else 4
    trained = element * trainable_parameters(resolved.plan, resolved.model)
    checkpoint = (1 + STATES) * trained  # Adam's states are as wide as what they belong to
    return (resolved.preset.run.checkpoints + 1) * checkpoint + trained + SPARE_BYTES


def _create(resolved: Resolved, root: Path, name: str, text: str | None, preflight: bool | None) -> RunDir:
    from tuiftune.preset.file import dump

    document = {**_document(resolved), "preflight": preflight}
    run = create(root, name, text or dump(resolved.preset), document)
    register(run)
    return run


def _document(resolved: Resolved) -> dict[str, Any]:
    """plan.json: the plan, with paths that hold from any directory, and what it was made from."""
    from tuiftune.plan.document import document

    plan = document(resolved.plan)
    _make_absolute(plan["resolved"], resolved.model)
    model, facts = resolved.model, resolved.facts
    plan["model"] = {
        "reference": model.reference,
        "parameters": model.parameters,
        "source": model.source,
        "revision": model.revision,
        "licence": model.licence,
    }
    plan["data"] = {
        "files": [str(path) for path in resolved.dataset.files],
        "format": facts.format,
        "rows": facts.rows,
        "rows_eval": facts.rows_eval,
        "rows_read": resolved.dataset.rows,
        "rows_unusable": int((~resolved.dataset.usable).sum()),
        "mean_length": facts.mean_length,
        "longest": facts.longest,
        "basis": facts.basis,
        "lost": resolved.dataset.lost,
        "portions": [asdict(portion) for portion in facts.portions],
    }
    plan["created"] = {"t": round(time.time(), 3), "version": __version__}
    return plan


def _make_absolute(preset: dict[str, Any], model: BaseModel) -> None:
    """A run can be resumed from any directory, so it must not depend on the one it was started in."""
    from tuiftune.data.mix.split import as_share

    data = preset["data"]
    train = data["train"]
    data["train"] = _absolute(train) if isinstance(train, str) else [_absolute(path) for path in train]
    if as_share(data["eval"]) is None:
        data["eval"] = _absolute(str(data["eval"]))
    for source in data["mix"]:
        source["path"] = _absolute(source["path"])
    if model.source == "directory" and model.path is not None:
        preset["model"]["base"] = str(model.path)
    if model.source in ("cache", "catalogue", "hub"):
        preset["model"]["revision"] = model.revision


def _absolute(path: str) -> str:
    from tuiftune.data.read.hub import looks_like_id

    if path.startswith("builtin:") or looks_like_id(path):
        return path
    return str(paths.absolute(path))


def _shown(train: str | list[str]) -> str:
    return printable(train if isinstance(train, str) else ", ".join(train[:3]))


def _silent(_: str) -> None:
    """Tells nobody."""
