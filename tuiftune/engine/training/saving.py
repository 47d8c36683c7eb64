"""How a run's trainer saves and loads: the trainer's own checkpoints, sealed in the run's store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from tuiftune import paths
from tuiftune.engine.process.faults import NotANumberError
from tuiftune.engine.techniques import applied
from tuiftune.engine.techniques.base import RATIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import Trainer as Mixin

    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.callback import Rhythm
    from tuiftune.engine.training.settings import Settings
else:
    Mixin = object  # before a stage's trainer (see `trainer.over`), whose methods `super()` finds

HISTORY = 100  # log lines kept in the trainer's state; the event log has them all


class Saving(Mixin):
    """A trainer whose checkpoints are this run's own."""

    _settings: Settings
    _store: Any
    _report: Report
    _fingerprint: dict[str, Any]
    _staged: Path | None
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
        if not self.group.leads:
            return self._help_saving()
        self._store.follow()
        self._report.phase("saving", f"checkpoint at step {step}")
        kept = self.rhythm.progress.saves(step)
        self.state.log_history = self.state.log_history[-HISTORY:]

        progress = {**self.rhythm.snapshot(), "fingerprint": self._fingerprint}
        saved = self._store.save(step, self._write, progress, protect=kept)
        self.group.meet()  # saved
        seconds = time.monotonic() - began
        if self._store.stuck:
            left, self._store.stuck = self._store.stuck, []
            why = "remove it manually: each checkpoint needs disk space"
            self._report.warning("checkpoint_kept", f"could not be removed: {', '.join(left)}", why)
        self.rhythm.saved(seconds)
        self.rhythm.pause(seconds)
        self._report.emit(
            "checkpoint", step=step, path=str(saved.path), bytes=saved.bytes, seconds=round(seconds, 3)
        )

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

    def _write(self, staged: Path) -> None:
        """The trainer's own checkpoint, in `staged` rather than in a directory it names itself."""
        self.group.meet()  # the directory is there
        self._staged = staged
        try:
            super()._save_checkpoint(self.model, None)
        finally:
            self._staged = None
        self.group.meet()  # every process has written its random numbers
        nested = staged / f"checkpoint-{self.state.global_step}"
        for path in paths.entries(nested):
            path.rename(staged / path.name)
        nested.rmdir()

    def _help_saving(self, read: Callable[[Path], None] | None = None) -> None:
        """Put this process's part and random numbers into rank 0's checkpoint, and `read` it."""
        self._store.follow()
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
        self.group.meet()

    def try_saving(self) -> int:
        """Write a checkpoint, verify it, load it as a resumed run would, and remove it. Returns its bytes."""

        def read(staged: Path) -> None:
            if self.shared and self.group.leads:
                self.group.meet()
            self._load_from_checkpoint(str(staged))
            self._load_optimizer_and_scheduler(str(staged))

        if not self.group.leads:
            self._help_saving(read if self.shared else None)
            return 0
        progress = {**self.rhythm.snapshot(), "fingerprint": self._fingerprint}
        size = self._store.trial(self._write, progress, read)
        self.group.meet()
        return size

    def _finite(self) -> bool:
        """Whether what is trained holds numbers only: an update can overflow where the gradient doesn't."""
        trained = [self.local(one.detach()) for one in self.model.parameters() if one.requires_grad]
        return all(bool(torch.isfinite(one).all()) for one in trained)

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
