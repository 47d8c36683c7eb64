"""What a run's trainer does otherwise where its processes divide gradients and states (ZeRO-2)."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import convert_outputs_to_fp32

from tuiftune.engine.distributed import zero

if TYPE_CHECKING:
    from tuiftune.engine.training.trainer import RunTrainer as Mixin
else:
    Mixin = object  # before a run's trainer (see `trainer.over`)

SCHEDULER = "scheduler.pt"


class ZeroTrainer(Mixin):
    """Each process has the whole model, as with DDP, and updates its part of the weights."""

    model: Any
    model_wrapped: Any
    optimizer: Any
    lr_scheduler: Any

    def __init__(self, *, products: torch.dtype | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if products is not None:  # DeepSpeed would hold the weights in 16 bit
            forward = _in_autocast(self.model.forward, self.args.device.type, products)
            self.model.forward = convert_outputs_to_fp32(forward)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().train(*args, **kwargs)
        finally:
            self._let_go()

    def _prepare_for_training(self, max_steps: int, train_dataloader: Any, checkpoint: str | None) -> Any:
        """Load a checkpoint here: the Trainer would look for one of DeepSpeed's own."""
        prepared = super()._prepare_for_training(max_steps, train_dataloader, None)
        if checkpoint is not None:
            self._load_from_checkpoint(checkpoint)
            self._load_optimizer_and_scheduler(checkpoint)
        held = self.group.gather(zero.held(self._divided))
        self._report.emit("divided", parallel="zero2", updated=held)
        return prepared

    @property
    def _divided(self) -> Any:
        """DeepSpeed's optimizer, without accelerate's wrapper."""
        return self.optimizer.optimizer

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Rank 0's weights, each out of the block that DeepSpeed has put all in."""
        if self.group.leads:
            self._save(output_dir, state_dict=_apart(self.model))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        zero.save(self._part(output_dir), self._divided)
        if self.group.leads:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER)

    def load_states(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        zero.load(self._part(checkpoint), self._divided)
        schedule = torch.load(Path(checkpoint) / SCHEDULER, map_location="cpu", weights_only=True)
        self.lr_scheduler.load_state_dict(schedule)

    def _part(self, directory: str) -> Path:
        """The file of this process's part; rank 0's has the name that every checkpoint has."""
        name = f"optimizer-{self.group.rank}.pt" if self.group.rank else "optimizer.pt"
        return Path(directory) / name

    def _let_go(self) -> None:
        """End DeepSpeed, and take the weights out of the one block that it has put them in."""
        if self.model_wrapped is self.model:
            return
        self.accelerator.free_memory()
        self.model_wrapped = self.model
        self.optimizer = self.lr_scheduler = None
        self.callback_handler.optimizer = self.callback_handler.lr_scheduler = None
        self.deepspeed = None
        where = [one.device for one in self.model.parameters()]
        for one in self.model.parameters():  # all of them, before one goes back: a GPU may not hold it twice
            one.data = one.data.to("cpu", copy=True)
        for one, device in zip(self.model.parameters(), where, strict=True):
            one.data = one.data.to(device)


def _apart(model: Any) -> dict[str, Any]:
    """The model's state in RAM; weights in several places stay one."""
    made: dict[tuple[int, Any], Any] = {}
    state = {}
    for name, one in model.state_dict().items():
        key = (one.data_ptr(), one.shape)
        if key not in made:
            made[key] = one.to("cpu", copy=True)
        state[name] = made[key]
    return state


def _in_autocast(forward: Any, device: str, dtype: torch.dtype) -> Any:
    @wraps(forward)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device, dtype, cache_enabled=False):
            return forward(*args, **kwargs)

    return inside
