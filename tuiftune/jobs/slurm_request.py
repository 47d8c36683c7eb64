"""`--on slurm[:PARTITION]`: what the partition has, and what to ask it for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from tuiftune.jobs.backends.slurm import Wanted
    from tuiftune.runs.store.directory import RunDir

SLURM = "slurm"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A backend, the GPU to plan for (None: none), and what the backend is asked for."""

    backend: str
    gpu: str | None
    wanted: Wanted

    def note(self, run: RunDir) -> None:
        """Write down in the run's directory what is asked for."""
        from tuiftune.jobs.backends import slurm

        slurm.want(run, self.wanted)


def elsewhere(
    on: str | None, gpu: str | None, nodes: int, *, keep_alive: bool = False, queue: bool = False
) -> Elsewhere | None:
    """Return what `--on`, `--gpu` and `--nodes` ask for; None for this machine.

    Raises:
        UserError: for an unknown place or partition, or a partition that doesn't say which GPU it has.
    """
    if on is None:
        for option, given in (("--gpu", gpu is not None), ("--nodes", nodes != 1)):
            if given:
                raise UserError("is of use with --on only", place=option, remedy="add --on slurm")
        return None
    name, _, partition = on.partition(":")
    if name != SLURM:
        raise UserError(
            f"{printable(name)} is not a place to train",
            place="--on",
            remedy="use slurm[:PARTITION], ssh:USER@HOST or sky[:GPU[:COUNT]]",
        )
    if keep_alive:
        raise UserError("Slurm requeues a run itself", place="--keep-alive", remedy="leave it out")
    if queue:
        raise UserError("Slurm has a queue of its own", place="--queue", remedy="leave it out")
    from tuiftune.jobs import slurm_commands
    from tuiftune.jobs.backends import slurm

    slurm.check()
    there = slurm_commands.gpus_of(partition)
    kind, plan_for, count = _gpu(gpu, there, partition or "the default partition", nodes)
    return Elsewhere(SLURM, plan_for, slurm.Wanted(partition, nodes, kind, count))


def _gpu(
    asked: str | None, there: list[tuple[str, int]], partition: str, nodes: int
) -> tuple[str, str | None, int | None]:
    """The cluster's name of a GPU, what to plan for, and how many a node has."""
    from tuiftune.hardware.known_gpus import find
    from tuiftune.plan.device import parse_gpu

    if not there:
        if asked is not None:
            raise UserError(f"{printable(partition)} has no GPUs", place="--gpu", remedy="leave it out")
        return "", None, None
    if asked is None:
        known = [(kind, count) for kind, count in there if kind and _known(kind)]
        if len(known) != 1:
            kinds = ", ".join(printable(kind) for kind, _ in there if kind)
            why = f"it has several: {kinds}" if len(known) > 1 else "Slurm doesn't say which"
            raise UserError(
                f"the GPU of {printable(partition)} is not clear: {why}",
                place="--on",
                remedy="name it: --gpu H100 or --gpu H100:2",
            )
        kind, count = known[0]
        return kind, f"{find(kind).name}:{count * nodes}", count
    name, number = parse_gpu(asked)
    gpu = find(name).name
    kind, count = next(((kind, count) for kind, count in there if kind and _known(kind) == gpu), there[0])
    if kind and _known(kind) not in (gpu, ""):
        raise UserError(
            f"{printable(partition)} has no {gpu}", place="--gpu", remedy=f"it has {printable(kind)}"
        )
    if number is not None and number > count * nodes:
        raise UserError(
            f"{number} GPUs are more than {nodes} of its nodes have ({count * nodes})",
            place="--gpu",
            remedy="ask for fewer, or for more nodes: --nodes",
        )
    return kind, f"{gpu}:{number or count * nodes}", count


def _known(kind: str) -> str:
    """The GPU that a cluster means by a name of its own; "" where that is not known."""
    from tuiftune.hardware.known_gpus import find

    try:
        return find(kind).name
    except UserError:
        return ""
