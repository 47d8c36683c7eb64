"""What a run's trainer does otherwise where its processes share one model (FSDP2)."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tuiftune.engine.distributed import sharded_checkpoint, sharding
from tuiftune.engine.process.gpu import aside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.engine.training.settings import Settings
    from tuiftune.engine.training.trainer import RunTrainer as Mixin
else:
    Mixin = object  # before a run's trainer (see `trainer.over`)

SCHEDULER = "scheduler.pt"


class ShardedTrainer(Mixin):
    """Every forward pass takes the layers of all processes, so that all make the same calls."""

    shared = True
    model: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        clip = self._clip
        self._clip = lambda *args, **more: sharding.whole(clip(*args, **more))  # the norm of all shards
        # Before transformers 5.2x knew models that are sharded already, accelerate wrapped them in DDP.
        prepare = self.accelerator.prepare_model
        self.accelerator.prepare_model = lambda model, *_, **__: prepare(
            model, device_placement=False, evaluation_mode=True
        )

    def _move_model_to_device(self, model: Any, device: Any) -> None:
        """Nothing: it is on the meta device until it is sharded, and where it belongs after that."""

    def shard(self, settings: Settings, device: str) -> None:
        """Give each process its share of the model, in place of all of it."""
        sharding.shard(self.model, settings, self.group, device)
        held = self.group.gather(sharding.held_bytes(self.model))
        self._report.emit("shards", parallel=settings.preset.hardware.parallel, parameter_bytes=held)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self.settle()

    def settle(self) -> None:
        sharding.reshard(self.model)

    @contextmanager
    def answering(self) -> Iterator[bool]:
        with aside(self.args.device.type), sharding.gathered(self.model, self.group) as alone:
            yield alone

    def local(self, tensor: Any) -> Any:
        return sharding.local(tensor)

    def batches(self, loader: Any, number: int) -> Iterator[tuple[Any, bool]]:
        """As many as the process with the most has: one with fewer repeats one, and doesn't count it."""
        most = max(self.group.gather(number))  # before the first: the others are in a forward pass at the end
        batch = None
        for batch in loader:
            yield batch, True
        if batch is None:
            rows = self._remove_unused_columns(self.eval_dataset, description="evaluation")
            batch = self.data_collator([rows[0]])
        for _ in range(most - number):
            yield batch, False

    def _defer_fsdp_gradient_reduction(self) -> Any:
        """Not at all: between micro steps, too, a process holds only its share of the gradients."""
        return nullcontext()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Nothing: the weights are saved with the optimizer's states."""

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        sharded_checkpoint.save(Path(output_dir), self.model, self.optimizer, self.group)
        if self.group.leads:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        del model
        sharded_checkpoint.load_weights(Path(resume_from_checkpoint), self.model, self.group)

    def load_states(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        schedule = torch.load(Path(checkpoint) / SCHEDULER, map_location="cpu", weights_only=True)
        sharded_checkpoint.load_optimizer(Path(checkpoint), self.model, self.optimizer, self.group)
        self.lr_scheduler.load_state_dict(schedule)

    def consolidate(self, plain: Any | None, *, adapted: bool) -> None:
        """Gather the model into rank 0's `plain`, which is the trainer's from then on."""
        sharding.consolidate(self.model, plain, adapted=adapted)
        if plain is not None:
            self.model = self.model_wrapped = plain
