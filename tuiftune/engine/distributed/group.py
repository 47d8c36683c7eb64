"""What the processes of one run tell one another: who goes first, what all agree on, and nothing about
gradients.

Those are DDP's. A single process is a group of one, for which all of this costs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from tuiftune.engine.distributed.whereabouts import Whereabouts
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

# A rank may wait for another that hashes a checkpoint or writes answers. One that has died is seen at once.
LONGEST_WAIT = timedelta(days=7)
LONGEST_EXCHANGE = timedelta(minutes=30)  # of gradients
LOOPBACK = "lo"
# What a broken connection to a rank that is no longer there looks like.
BROKEN = ("gloo", "nccl", "connection closed by peer", "connection reset by peer", "broken pipe")


@dataclass
class Group:
    """The ranks of a run, 0 to `size` - 1, each a process of its own, on one host but where a launcher has
    started them on several.
    """

    rank: int = 0
    size: int = 1
    whereabouts: Whereabouts = field(default_factory=Whereabouts, repr=False, compare=False)
    _talk: Any = field(default=None, repr=False)  # over the host's memory, whatever the gradients go over

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which alone writes the run's files and events."""
        return self.rank == 0

    def join(self, device: str, meeting_place: Path, *, offloaded: bool = False) -> None:
        """Meet the others at a file, or where a launcher says, and take the GPU of its number on its host.

        `offloaded`: what is in RAM is exchanged as well.

        Nothing listens beyond this host if all are on it. UserError where there are fewer GPUs than ranks.
        """
        if self.size == 1:
            return
        import torch
        import torch.distributed as dist

        here = int(os.environ.get("LOCAL_WORLD_SIZE") or self.size)  # of them on this machine
        if device == "cuda":
            gpus = torch.cuda.device_count()
            if gpus < here:
                raise UserError(
                    f"the plan is for {here} GPUs of one machine, but PyTorch finds {gpus} here",
                    place="hardware.gpus",
                    remedy="plan a new run on this machine, or make the GPUs visible (CUDA_VISIBLE_DEVICES)",
                )
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK") or self.rank))
        if here == self.size and os.path.isdir(f"/sys/class/net/{LOOPBACK}"):
            for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
                os.environ.setdefault(name, LOOPBACK)
        launched = "MASTER_PORT" in os.environ
        dist.init_process_group(
            ("cpu:gloo,cuda:nccl" if offloaded else "nccl") if device == "cuda" else "gloo",
            init_method="env://" if launched else None,
            store=None if launched else dist.FileStore(str(meeting_place), self.size),
            rank=self.rank,
            world_size=self.size,
            timeout=LONGEST_EXCHANGE,
        )
        self._talk = dist.new_group(backend="gloo", timeout=LONGEST_WAIT)

    def part(self) -> None:
        """Leave one another, all at the same place; what follows is rank 0's alone."""
        if self.size == 1:
            return
        import torch.distributed as dist

        self.meet()
        dist.destroy_process_group()

    def meet(self) -> None:
        """Wait until every rank is here."""
        self.gather(None)

    def gather(self, value: T) -> list[T]:
        """What every rank has, by rank."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self._talk)
        return values

    def first(self, value: T) -> T:
        """What rank 0 has; the others' own is dropped."""
        return self.gather(value if self.leads else None)[0]  # type: ignore[return-value]

    def any(self, value: bool) -> bool:
        """Whether it holds for any rank."""
        return any(self.gather(value))

    def all(self, value: bool) -> bool:
        """Whether it holds for every rank."""
        return all(self.gather(value))

    @property
    def talk(self) -> Any:
        """torch's group that goes over the host's memory."""
        return self._talk


def is_broken_connection(fault: BaseException) -> bool:
    """Whether this is only what a rank sees of another's end."""
    kinds = [kind.__name__ for kind in type(fault).__mro__]
    if "DistError" in kinds:
        return True
    return isinstance(fault, RuntimeError | OSError) and any(words in str(fault).lower() for words in BROKEN)
