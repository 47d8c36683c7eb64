"""From a preset to a run directory: the one way, used by the command line, the wizard and the demo.

All errors of the user are found here, before anything is written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuiftune import rewards, stages, techniques
from tuiftune.errors import ExitCode, UserError
from tuiftune.evaluate import best_by
from tuiftune.jobs import copies, copy_places
from tuiftune.models.download import bring, check, planned, with_weights
from tuiftune.models.weights import require_reachable
from tuiftune.plan import teacher
from tuiftune.plan.document import of_run
from tuiftune.plan.inputs import to_train
from tuiftune.preset.file import dump
from tuiftune.preset.naming import run_name
from tuiftune.preset.places import absolute
from tuiftune.printable import printable
from tuiftune.runs import data_files, provenance
from tuiftune.runs.state.ahead import STATES
from tuiftune.runs.store.directory import (
    RunDir,
    check_place,
    create,
    default_root,
    free_name,
)
from tuiftune.runs.store.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuiftune.data.example import Example
    from tuiftune.models.reference import BaseModel
    from tuiftune.plan.inputs import Inputs
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset
    from tuiftune.runs.provenance import Provenance

LOOKED_AT = 2_000  # reference answers, for what no reward could match
SPARE_BYTES = 64 * 1024 * 1024  # logs, tokenizer, samples


def prepare(
    preset: Preset,
    root: Path | None = None,
    name: str | None = None,
    *,
    preflight: bool | None = None,
    say: Callable[[str], None] | None = None,
    approve: Callable[[Provenance], None] | None = None,
    reproduces: dict[str, Any] | None = None,
    study: dict[str, Any] | None = None,
    gpu: str | None = None,
) -> RunDir:
    """Create and register a run directory that is ready to be launched.

    Args:
        name: of the run; None: the preset's name, with a number appended if it exists.
        preflight: measure memory before training; None: only if there is a GPU.
        say: called with the current task.
        approve: called with the provenance before anything is written; it may raise.
        reproduces: the run that this one repeats, for plan.json.
        gpu: what it is planned for, where it runs on another machine.
        study: the study that it is a part of, for plan.json; such a run is not registered, so that it is
            listed with its study only.

    Raises:
        UserError: if preset, model, data, name or root is invalid; with exit code 3 if the run does not fit
            into memory or on the disk.
    """
    tell = say or _silent
    root = root or default_root()
    inputs, plan = ready(preset, root, name, say=say, gpu=gpu)
    if not inputs.model.weights:
        inputs = replace(inputs, model=with_weights(inputs.model, tell))
        plan = inputs.plan(gpu)
    teacher.bring(inputs.preset, tell)
    tell("hashing data and base model")
    document = {"schema": "tuiftune/run-plan@1", **of_run(plan, inputs, preflight)}
    document["provenance"] = known = provenance.of_inputs(inputs)
    if reproduces is not None:
        document["reproduces"] = reproduces
    if study is not None:
        document["study"] = study
    if approve is not None:
        approve(known)
    name = name or free_name(root, run_name(preset))
    copies.refuse_taken(preset.run.sync_to, name)
    run = create(root, name, dump(absolute(preset)), document)
    if study is None:
        register(run)
    return run


def ready(
    preset: Preset,
    root: Path | None,
    name: str | None = None,
    *,
    say: Callable[[str], None] | None = None,
    gpu: str | None = None,
) -> tuple[Inputs, Plan]:
    """Look at all that a run needs, and plan it. Nothing is written.

    Raises:
        UserError: for whatever would keep it from starting; see `prepare`.
    """
    root = root or default_root()
    check_place(root, name)
    inputs, plan = resolve(preset, root, say=say, gpu=gpu)
    _check_fits(plan, inputs, root)
    check_limit(plan)
    best_by.resolve(plan.resolved, stages.every()[plan.resolved.method.stage])
    taught = teacher.of(inputs.preset)
    for model in (inputs.model,) if taught is None else (inputs.model, taught):
        require_reachable(model)
    copy_places.check(preset.run.sync_to)
    for model in (inputs.model,) if taught is None else (inputs.model, taught):
        _check_download(model, plan, inputs, root, say or _silent)
    return inputs, plan


def resolve(
    preset: Preset, root: Path, *, say: Callable[[str], None] | None = None, gpu: str | None = None
) -> tuple[Inputs, Plan]:
    """Read machine, model and data, and make a plan. Raises UserError if training is impossible with one.

    `gpu`: plan for this one instead of the machine's.
    """
    from tuiftune.data.chat.prompts import asked
    from tuiftune.data.chat.reasoning import without
    from tuiftune.data.mix.sources import Mix, check_evaluated, check_sides, mixed
    from tuiftune.data.mix.split import picked
    from tuiftune.data.similar.twins import leakage_told, twins

    tell = say or _silent
    inputs = to_train(preset, root, tell)
    assert inputs.dataset is not None
    train: Sequence[Example]
    train, held = picked(inputs.dataset, preset.data.eval, preset.training.seed)
    for which, rows in (("train", train), ("eval", held)):
        if rows and not any(one.compares for one in rows):
            called = "training" if which == "train" else "evaluation"
            raise UserError(
                f"the chosen and the rejected answer are equal in all {len(rows)} {called} rows",
                place=f"data.{which}",
                remedy="check data.columns, or look at the rows: tuiftune data inspect FILE",
            )
    stage = stages.every()[preset.method.stage]
    if stage.rollouts:
        references = [without(one.reference) for one in train[:LOOKED_AT]]
        if said := rewards.check_references(preset.method.rewards, references):
            tell(f"warning: {said}: these prompts get no reward from it. Check data.columns.")
        if gpu is None and train:  # else the files are for another machine's Python
            rewards.try_out(preset.method.rewards, asked(train[0]), references[0])
    if mix := Mix.of(preset.data):
        form = inputs.dataset.format
        mixture = mixed(list(train), list(held), mix, preset.training.seed, format=form)
        train = mixture.examples
        check_sides(stage, train)
        if mixture.held:
            check_evaluated(stage, held)
    tell("comparing training and evaluation rows")
    if words := leakage_told(twins(train, held).document()):
        tell(f"warning: {words}. Drop them: `tuiftune data clean --near`")
    tell("planning")
    return inputs, inputs.plan(gpu)


def check_inputs(run: RunDir) -> None:
    """UserError where a run that is to be resumed lacks its data or its base model, or its plan is damaged.

    Whether their content is still the same is for the engine to say, which reads all of it.
    """
    from tuiftune.models.resolve import resolve
    from tuiftune.models.weights import require

    preset = run.plan().preset(printable(str(run.plan_path)))
    data_files.files_of(preset)
    require(resolve(preset.model.base, preset.model.revision))
    if (taught := teacher.of(preset)) is not None:
        require(taught)


def bring_models(run: RunDir) -> None:
    """Download what a run that is to be resumed is trained with and this machine no longer has. UserError if
    it can't be had.
    """
    preset = run.plan().preset(printable(str(run.plan_path)))
    bring(preset.model.base, preset.model.revision)
    if (taught := teacher.of(preset)) is not None:
        bring(taught.reference, taught.revision)


def _check_fits(plan: Plan, inputs: Inputs, root: Path) -> None:
    """Raise UserError with exit code 3 and the nearest alternatives if memory or disk space is too small."""
    from tuiftune.hardware.disks import disk_of
    from tuiftune.preset.sizes import format_size

    check_memory(plan, inputs)
    needed, disk = disk_needed(plan, inputs), disk_of(root)
    if disk.total and needed > disk.free:
        raise UserError(
            f"not enough disk space: up to {format_size(needed)} needed, {format_size(disk.free)} free",
            place=printable(str(root)),
            remedy="free some space, use another disk (--runs), or keep fewer checkpoints (run.checkpoints)",
            exit_code=ExitCode.DOES_NOT_FIT,
        )


def check_memory(plan: Plan, inputs: Inputs) -> None:
    """Raise UserError with exit code 3 and the nearest alternatives if a plan does not fit."""
    from tuiftune.preset.sizes import format_size

    if not plan.fits:
        there = int(plan.gpu.get("memory_available") or plan.gpu.get("memory_total") or 0)
        ways = [printable(other.says) for other in plan.alternatives if other.fits][:3]
        raise UserError(
            f"does not fit: needs {format_size(plan.memory.needs)}, "
            f"{printable(str(plan.gpu.get('name')))} has {format_size(there)}",
            place=inputs.preset.name,
            remedy=f"use what fits: {'; '.join(ways)}" if ways else "use a smaller model or a larger GPU",
            exit_code=ExitCode.DOES_NOT_FIT,
        )


def _check_download(
    model: BaseModel, plan: Plan, inputs: Inputs, root: Path, tell: Callable[[str], None]
) -> None:
    """Say what is to be downloaded first. UserError if there is no access to it, or no space for it."""
    from tuiftune.hardware.disks import disk_of
    from tuiftune.hub.cache import cache_root

    download = planned(model)
    if download is None:
        return
    tell(str(download))
    same = disk_of(root).mount == disk_of(cache_root()).mount
    check(download, disk_needed(plan, inputs) if same else 0)


def check_limit(plan: Plan) -> None:
    """Raise UserError for a budget limit that cannot be enforced, because no price is known."""
    cap = plan.resolved.budget.max_usd
    if cap is not None and plan.usd_per_hour is None:
        machine = printable(str(plan.gpu.get("name")))
        raise UserError(
            f"the limit of ${cap:g} cannot be enforced, because the price of {machine} is unknown",
            place="budget.max_usd",
            remedy="set your price (--set budget.usd_per_hour=PRICE), or limit the time (budget.max_hours)",
        )


def disk_needed(plan: Plan, inputs: Inputs) -> int:
    """Return the most bytes a run writes: the checkpoints kept, one more being staged, and the result."""
    from tuiftune.plan.resolve import trainable_parameters

    chosen = plan.resolved
    adapters = chosen.method.adapter_dtype if techniques.find(chosen.method.technique).adapters else "float32"
    element = 2 if adapters == "bfloat16" else 4
    trained = element * trainable_parameters(plan, inputs.model)
    checkpoint = (1 + STATES) * trained  # Adam's states have the type of their parameters
    return (chosen.run.checkpoints + 1) * checkpoint + trained + SPARE_BYTES


def _silent(_: str) -> None:
    """Ignore a message."""
