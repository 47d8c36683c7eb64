"""How a run's trainer saves and loads: the trainer's own checkpoints, sealed in the run's store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_leaves, tree_map_only

from tuiftune import paths
from tuiftune.control_group import memory_available
from tuiftune.engine.model import base as bases
from tuiftune.engine.process.faults import NotANumberError
from tuiftune.engine.techniques import applied
from tuiftune.engine.techniques.base import RATIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import Trainer as Mixin

    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.callback import Rhythm
    from tuiftune.engine.training.settings import Settings
    from tuiftune.runs.store.checkpoints import Checkpoint
else:
    Mixin = object  # before a stage's trainer (see `trainer.over`), whose methods `super()` finds

HISTORY = 100  # log lines kept in the trainer's state; the event log has them all
COPIED = 4 << 30  # bytes of an optimizer's states at most that are copied, so that training needn't wait
OF_FREE = 0.5  # of the free RAM that such a copy may take
OPTIMIZER, SCHEDULER = "optimizer.pt", "scheduler.pt"  # as transformers calls them


class Saving(Mixin):
    """A trainer whose checkpoints are this run's own."""

    _settings: Settings
    _store: Any
    _report: Report
    _fingerprint: dict[str, Any]
    _staged: Path | None
    _copied: Any = None  # the optimizer's states, of a checkpoint that is being written
    rhythm: Rhythm
    group: Group
    shared: bool
    evaluating: bool
    before_answers: tuple[Any, Any, Any] | None

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._staged or super()._get_output_dir(trial))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step = self.state.global_step
        began = time.monotonic()
        self.group.whereabouts.leave()
        if self.group.any(not self._finite()):
            raise NotANumberError("weights", step)
        if self.group.leads:
            self._report.phase("saving", f"checkpoint at step {step}")
        self._store.follow()  # which waits for the checkpoint before
        if not self.group.leads:
            return self._help_saving()
        kept = self.rhythm.progress.saves(step)
        self.state.log_history = self.state.log_history[-HISTORY:]

        progress = {**self.rhythm.snapshot(), "fingerprint": self._fingerprint}
        self._store.begin(step, self._write, progress, kept, self._say_saved)
        seconds = time.monotonic() - began
        self.rhythm.saved(seconds)
        self.rhythm.pause(seconds)

    def _say_saved(self, saved: Checkpoint) -> None:
        """In a thread of its own, while training goes on."""
        if self._store.stuck:
            left, self._store.stuck = self._store.stuck, []
            why = "remove it manually: each checkpoint needs disk space"
            self._report.warning("checkpoint_kept", f"could not be removed: {', '.join(left)}", why)
        self._report.emit(
            "checkpoint",
            step=saved.step,
            path=str(saved.path),
            bytes=saved.bytes,
            seconds=round(saved.seconds, 3),
        )

    def check_saved(self, *, last: bool = False) -> None:
        """Raise what went wrong with the latest checkpoint; of the `last` one once it is known."""
        if last:
            if self._store.busy and self._report.phase_name != "saving":
                self._report.phase("saving", "the last checkpoint")
            self._store.wait()
        else:
            self._store.check()

    def save_before_pause(self) -> None:
        """Save the run as it was after its last step: answers sampled since then are sampled again."""
        step = self.state.global_step
        if not step or any(one.step == step for one in self._store.all()):
            return
        if self.before_answers is not None:
            random, gpus, self.state.num_input_tokens_seen = self.before_answers
            torch.set_rng_state(random)
            if gpus:
                torch.cuda.set_rng_state_all(gpus)
        self.rhythm.progress.evaluate_first = self.evaluating
        self._save_checkpoint(self.model, None)

    def _write(self, staged: Path) -> Callable[[Path], None] | None:
        """The trainer's own checkpoint, in `staged` rather than in a directory it names itself. Returns what
        writes the optimizer's states, where those were copied.
        """
        self.group.meet()  # the directory is there
        self._staged, self._copied = staged, None
        try:
            super()._save_checkpoint(self.model, None)
        finally:
            self._staged = None
        self.group.meet()  # every process has written its random numbers
        nested = staged / f"checkpoint-{self.state.global_step}"
        for path in paths.entries(nested):
            path.rename(staged / path.name)
        nested.rmdir()
        copied, self._copied = self._copied, None
        return None if copied is None else lambda place: torch.save(copied, place / OPTIMIZER)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """The optimizer's states as the trainer writes them, but later, from a copy, if RAM has room."""
        own = self.group.leads and not self.is_deepspeed_enabled and not self.is_fsdp_enabled
        states: Any = self.optimizer.state_dict() if own else None
        if not own or not _may_be_copied(states):
            return super()._save_optimizer_and_scheduler(output_dir)
        self._copied = tree_map_only(torch.Tensor, lambda one: one.detach().to("cpu", copy=True), states)
        torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER)

    def _help_saving(self, read: Callable[[Path], None] | None = None) -> None:
        """Put this process's part and random numbers into rank 0's checkpoint, and `read` it."""
        self.group.meet()
        self._staged = self._store.staged
        try:
            super()._save_checkpoint(self.model, None)
        finally:
            self._staged = None
        self.group.meet()
        if read is not None:
            self.group.meet()  # all files are in their places
            read(self._store.staged)

    def try_saving(self) -> int:
        """Write a checkpoint, verify it, load it as a resumed run would, and remove it. Returns its bytes."""

        def read(staged: Path) -> None:
            if self.shared and self.group.leads:
                self.group.meet()
            self._load_from_checkpoint(str(staged))
            self._load_optimizer_and_scheduler(str(staged))

        self._store.follow()
        if not self.group.leads:
            self._help_saving(read if self.shared else None)
            self.group.meet()
            return 0
        progress = {**self.rhythm.snapshot(), "fingerprint": self._fingerprint}
        size = self._store.trial(self._write, progress, read)
        self.group.meet()
        return size

    def _finite(self) -> bool:
        """Whether what is trained holds numbers only: an update can overflow where the gradient doesn't."""
        trained = [self.local(one.detach()) for one in self.model.parameters() if one.requires_grad]
        return all(map(bases.finite, trained))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        applied(self._settings.technique).restore(self.model, self._settings)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """The states of a checkpoint, with the learning rate and weight decay that are wanted now."""
        self.load_states(checkpoint)
        if checkpoint is None or not self._settings.changed:
            return
        groups, scheduler = self.optimizer.param_groups, self.lr_scheduler
        rates = [float(self.args.learning_rate) * group.get(RATIO, 1.0) for group in groups]
        scheduler.base_lrs = rates
        shapes = (factor(scheduler.last_epoch) for factor in scheduler.lr_lambdas)
        now = [rate * shape for rate, shape in zip(rates, shapes, strict=True)]
        scheduler._last_lr = now
        for group, rate, at in zip(groups, rates, now, strict=True):
            group["initial_lr"], group["lr"] = rate, at
            if group["weight_decay"]:  # biases and norms have none
                group["weight_decay"] = self.args.weight_decay

    def load_states(self, checkpoint: str | None) -> None:
        """The states of a checkpoint as they were."""
        super()._load_optimizer_and_scheduler(checkpoint)

    def load_weights(self, checkpoint: Path) -> None:
        """The weights of a checkpoint, without its optimizer: for the result, not for training on."""
        self._load_from_checkpoint(str(checkpoint))


def _may_be_copied(states: Any) -> bool:
    size = sum(one.nbytes for one in tree_leaves(states) if isinstance(one, torch.Tensor))
    return size <= min(COPIED, OF_FREE * memory_available())
