"""A new run, prepared and started where `--on` says: this machine, Slurm, a machine by ssh, or SkyPilot."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tuiftune.errors import ExitCode, UserError
from tuiftune.jobs import backend, supervisor
from tuiftune.jobs.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.preset.schema import Preset
    from tuiftune.runs.store.directory import RunDir

    Say = Callable[[str], None]

COSTS = {
    "ssh": "The machine is set up and trains. If it is rented, it bills until you stop it at its provider.",
    "sky": "SkyPilot rents a machine, and gives it back when the run is over.",
}


def costs(on: str) -> str:
    """Return how a place may cost money; "" for this machine and Slurm."""
    return COSTS.get(on.partition(":")[0], "")


def start(
    preset: Preset, root: Path | None, on: str, *, gpu: str = "", keep_alive: bool = False, say: Say
) -> RunDir:
    """Prepare a run and start it. Returns its directory here, which is kept as the run is there.

    Args:
        preset: what to train.
        root: directory of the runs; None: the default.
        on: a value of `--on`; "" for this machine.
        gpu: the GPU that was planned for, "" for what the place has; a machine by ssh is as it is.
        keep_alive: restart it automatically; on this machine only.
        say: told what is being done.

    Raises:
        UserError: for whatever would keep it from starting.
    """
    kind = on.partition(":")[0]
    if kind == "ssh":
        return _rented(preset, root, on, say)
    if kind == "sky":
        return _clouded(preset, root, on if ":" in on or not gpu else f"{on}:{gpu}", say)
    if kind:
        from tuiftune.jobs.slurm_request import elsewhere

        place = elsewhere(on, gpu or None, 1, keep_alive=keep_alive)
        assert place is not None
        run = prepare(preset, root, say=say, gpu=place.gpu)
        place.note(run)
        submit(run, place.backend)
        return run
    run = prepare(preset, root, say=say)
    supervisor.detach(run) if keep_alive else backend.train(run)
    return run


def submit(run: RunDir, on: str) -> int:
    """Train a run that was made just now. Returns the ID of its job.

    Nothing is left of a run that is refused there: another attempt has the same name.
    """
    try:
        return backend.train(run, on=on)
    except UserError as fault:
        if fault.exit_code is not ExitCode.USAGE:  # it may have been submitted all the same
            raise
        shutil.rmtree(run.path, ignore_errors=True)
        raise


def _rented(preset: Preset, root: Path | None, on: str, say: Say) -> RunDir:
    from tuiftune.jobs.rented import rent
    from tuiftune.jobs.rented.address import parse

    run = rent.prepare(preset, parse(on), rent.Wanted(), root, None, say=say, watch=_watched(say))
    backend.take_over(run, "ssh")
    return run


def _clouded(preset: Preset, root: Path | None, on: str, say: Say) -> RunDir:
    from tuiftune.jobs.cloud import launching
    from tuiftune.jobs.task_files.task import Options

    run = launching.prepare(preset, launching.parse(on), Options(), root, None, say=say, watch=say)
    say("submitting to SkyPilot")
    submit(run, "sky")
    return run


def _watched(say: Say) -> Callable[[str, float | None], None]:
    """What is being done with its share, as one line."""
    return lambda what, share: say(what if share is None else f"{what}: {share:.0%}")
