"""Gradients and optimizer states divided among processes that hold the weights whole (ZeRO-2, by DeepSpeed).

DeepSpeed is started by accelerate's plugin. Its checkpoints are pickles that may run code when they are read;
these hold tensors and numbers only: each process's part of the optimizer, in a file of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from tuiftune.errors import UserError
from tuiftune.plan.divided import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

# Its own exchange over shared memory is compiled on first use, for minutes, and hangs after an aborted try.
COMPILED = "deepspeed_shm_comm"
MASTER, STATE = "weights", "optimizer"


def config() -> dict[str, Any]:
    """DeepSpeed's configuration; the Trainer fills in what is `auto`.

    No precision is set: weights stay in float32, and products are the autocast of `ZeroTrainer`.
    """
    return {
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "zero_allow_untested_optimizer": True,
        "steps_per_print": None,
        "zero_optimization": {
            "stage": 2,
            "overlap_comm": False,
            "contiguous_gradients": True,
            "reduce_scatter": True,
            "reduce_bucket_size": BUCKET,
            "allgather_bucket_size": BUCKET,
        },
    }


def prepare(device: str) -> None:
    """Import DeepSpeed for a device. UserError where it is not installed, or cannot be imported."""
    if device == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    try:
        import deepspeed.ops
    except ImportError as fault:
        raise UserError(
            f"zero2 needs DeepSpeed: {fault}",
            place="hardware.parallel",
            remedy="pip install 'tuiftune[deepspeed]', or use fsdp",
        ) from fault
    deepspeed.ops.__compatible_ops__[COMPILED] = False


def save(path: Path, optimizer: Any) -> None:
    """Write this process's part of the states, and of the weights that it updates."""
    path.parent.mkdir(exist_ok=True)  # by the first of them that comes here
    torch.save({MASTER: [one.detach() for one in _parts(optimizer)], STATE: _own(optimizer)}, path)


def load(path: Path, optimizer: Any) -> None:
    """Read this process's part back. RuntimeError where it was written by another number of processes."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    parts = _parts(optimizer)
    if [one.shape for one in saved[MASTER]] != [one.shape for one in parts]:
        raise RuntimeError(f"{path.name} is another process's part of the optimizer")
    for one, was in zip(parts, saved[MASTER], strict=True):
        one.data.copy_(was)
    optimizer.optimizer.load_state_dict(saved[STATE])


def held(optimizer: Any) -> int:
    """Elements of the weights that this process updates."""
    return sum(one.numel() for one in _parts(optimizer))


def state_bytes(optimizer: Any) -> int:
    """Bytes of the optimizer states that this process holds."""
    states = optimizer.optimizer.state.values()
    tensors = (one for state in states for one in state.values() if isinstance(one, torch.Tensor))
    return sum(one.numel() * one.element_size() for one in tensors)


def _own(optimizer: Any) -> dict[str, Any]:
    state: dict[str, Any] = optimizer.optimizer.state_dict()
    return state


def _parts(optimizer: Any) -> list[Any]:
    """The flat part of each of the optimizer's groups."""
    return [group["params"][0] for group in optimizer.optimizer.param_groups]
