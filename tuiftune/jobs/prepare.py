"""From a preset to a run directory: the one path that the command line, the wizard and the demo all take.

Everything that can be wrong on the user's side is found here, before anything is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune import techniques
from tuiftune.errors import ExitCode, UserError
from tuiftune.plan.document import of_run
from tuiftune.plan.inputs import to_train
from tuiftune.preset.file import dump
from tuiftune.printable import printable
from tuiftune.runs.state.ahead import STATES
from tuiftune.runs.store.directory import RunDir, check_name, check_root, create, default_root, free_name
from tuiftune.runs.store.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.plan.inputs import Inputs
    from tuiftune.plan.model import Plan
    from tuiftune.preset.schema import Preset

SPARE_BYTES = 64 * 1024 * 1024  # logs, tokenizer, samples


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
    inputs, plan = resolve(preset, root, say=say)
    _check_fits(plan, inputs, root)
    _check_limit(plan)
    document = of_run(plan, inputs, preflight)
    run = create(root, name or free_name(root, preset.name), text or dump(preset), document)
    register(run)
    return run


def resolve(preset: Preset, root: Path, *, say: Callable[[str], None] | None = None) -> tuple[Inputs, Plan]:
    """Look at machine, model and data, and plan. UserError where one of them can't be trained with."""
    from tuiftune.data.mix.sources import Mix, mixed
    from tuiftune.data.mix.split import split
    from tuiftune.data.similar.twins import leakage_told, twins

    tell = say or _silent
    inputs = to_train(preset, root, tell)
    assert inputs.dataset is not None
    train, held = split(inputs.dataset, preset.data.eval, preset.training.seed)
    if mix := Mix.of(preset.data):
        train = mixed(train, held, mix, preset.training.seed).examples
    if words := leakage_told(twins(train, held).document()):
        tell(f"warning: {words}; `tuiftune data clean --near` takes one of each away")
    tell("planning")
    return inputs, inputs.plan()


def _check_fits(plan: Plan, inputs: Inputs, root: Path) -> None:
    """UserError with exit code 3 and the nearest alternatives where memory or disk space is not enough."""
    from tuiftune.hardware.disks import disk_of
    from tuiftune.preset.sizes import format_size

    if not plan.fits:
        there = int(plan.gpu.get("memory_available") or plan.gpu.get("memory_total") or 0)
        ways = [printable(other.says) for other in plan.alternatives if other.fits][:3]
        raise UserError(
            f"does not fit: needs {format_size(plan.memory.needs)}, "
            f"{printable(str(plan.gpu.get('name')))} has {format_size(there)}",
            place=inputs.preset.name,
            remedy=f"what would fit: {'; '.join(ways)}" if ways else "take a smaller model or a larger GPU",
            exit_code=ExitCode.DOES_NOT_FIT,
        )
    needed, disk = _disk_needed(plan, inputs), disk_of(root)
    if disk.total and needed > disk.free:
        raise UserError(
            f"not enough disk: up to {format_size(needed)} are needed, {format_size(disk.free)} are free",
            place=printable(str(root)),
            remedy="keep fewer with --set run.checkpoints=1, free some space, or use another disk: --runs",
            exit_code=ExitCode.DOES_NOT_FIT,
        )


def _check_limit(plan: Plan) -> None:
    """UserError for a cap in money where no price is known: it could not be kept."""
    cap = plan.resolved.budget.max_usd
    if cap is not None and plan.usd_per_hour is None:
        machine = printable(str(plan.gpu.get("name")))
        raise UserError(
            f"no price of {machine} is known, so ${cap:g} can't be kept to",
            place="budget.max_usd",
            remedy="give yours with --set budget.usd_per_hour=PRICE, or cap the time: budget.max_hours",
        )


def _disk_needed(plan: Plan, inputs: Inputs) -> int:
    """Bytes a run writes at most: the checkpoints kept, one more while it is staged, and the result."""
    from tuiftune.plan.resolve import trainable_parameters

    chosen = plan.resolved
    adapters = chosen.method.adapter_dtype if techniques.find(chosen.method.technique).adapters else "float32"
    element = 2 if adapters == "bfloat16" else 4
    trained = element * trainable_parameters(plan, inputs.model)
    checkpoint = (1 + STATES) * trained  # Adam's states are as wide as what they belong to
    return (chosen.run.checkpoints + 1) * checkpoint + trained + SPARE_BYTES


def _silent(_: str) -> None:
    """Tells nobody."""
