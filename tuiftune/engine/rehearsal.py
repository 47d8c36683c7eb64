"""Two updates and an evaluation on the longest rows before training: what memory a run needs, measured.

Nothing of it stays: weights, optimizer, random numbers and the order of the data are as if it had not been.
"""

from __future__ import annotations

import copy
import gc
import json
import math
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trl import SFTTrainer

from tuiftune.engine import card, levers
from tuiftune.engine.faults import ending_of
from tuiftune.engine.settings import rehearsed
from tuiftune.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuiftune.engine.report import Report
    from tuiftune.engine.settings import Settings
    from tuiftune.engine.trainer import RunTrainer

UPDATES = 2  # the first allocates the optimizer's states, the second runs beside them
COUNTED = ("_metrics", "_total_train_tokens")  # by TRL's own step
MICRO_STEPS = 2  # of an update at most: from the second on, gradients lie beside activations


class TooLargeError(Exception):
    """The micro batch doesn't fit into memory, half of it may."""


class Rehearsal:
    """Rehearses at the beginning of training, where model and optimizer are as training uses them."""

    def __init__(self, settings: Settings, report: Report, device: str, path: Path) -> None:
        self._settings, self._report, self._device, self._path = settings, report, device, path

    def run(self, trainer: RunTrainer) -> None:
        """Measure, tell and store it. TooLargeError where the micro batch has to be halved."""
        began = time.monotonic()
        compiles = self._settings.preset.training.compile is True
        self._report.phase("rehearsing", "the first step compiles the layers" if compiles else "")
        card.forget_peaks(self._device)
        too_large, broken = False, None
        with _nothing_stays(trainer, adapted=self._settings.adapted):
            try:
                _updates(trainer, paged="paged" in self._settings.preset.training.optimizer)
                _evaluation(trainer)
            except Exception as fault:
                end = ending_of(fault)
                too_large = end.state == "oom" and trainer.args.per_device_train_batch_size > 1
                broken = fault if end.state == "failed" and end.exit_code == ExitCode.FAILED else None
                if not too_large and broken is None:
                    raise
            measured = card.memory_of(self._device)
        if too_large:
            raise TooLargeError
        if broken is not None:  # what only the rehearsal does must not be what a run is lost for
            self._report.warning(
                "rehearsal_failed",
                f"the rehearsal broke off and measured nothing: {ending_of(broken).why}",
                "training goes on without it; --no-rehearsal leaves it out",
            )
            card.forget_peaks(self._device)
            return
        card.forget_peaks(self._device)
        self._report.emit("memory", **measured, **self._settings.predictions, rehearsal=True)
        self._store(trainer, measured, time.monotonic() - began)

    def _store(self, trainer: RunTrainer, measured: dict[str, int | None], seconds: float) -> None:
        from tuiftune.plan.memory import CONTEXT
        from tuiftune.runs.directory import write_text

        predicted, limit = self._settings.predicted, self._settings.capacity
        held = None if measured["reserved"] is None else measured["reserved"] + CONTEXT
        micro = trainer.args.per_device_train_batch_size
        planned = rehearsed(self._path).get("planned_micro_batch", micro)
        document = {
            "measured": {**measured, "needs": held},
            "predicted": predicted,
            "limit": limit,
            "micro_batch": micro,
            "planned_micro_batch": planned,
            "seconds": round(seconds, 2),
        }
        write_text(self._path, json.dumps(document, indent=1))
        if held is None:
            return
        if limit and held > limit:
            self._report.warning(
                "memory_above_limit",
                f"the longest rows need {held / 2**30:.1f} GiB of the {limit / 2**30:.1f} that are free",
                f"set training.micro_batch: {max(1, micro // 2)} or training.activation_checkpointing: true",
            )
        if micro == planned:
            self._remember(held)

    def make_room(self, trainer: RunTrainer) -> None:
        """Fewer rows at once, more often: the effective batch stays. Kept for when the run is resumed."""
        from tuiftune.runs.directory import write_text

        args = trainer.args
        before = args.per_device_train_batch_size
        less = next(size for size in range(before // 2, 0, -1) if before % size == 0)
        args.per_device_train_batch_size = args.per_device_eval_batch_size = less
        args.gradient_accumulation_steps *= before // less
        _begin_again(trainer)
        trainer._fingerprint["training.micro_batch"] = less
        planned = rehearsed(self._path).get("planned_micro_batch", before)
        write_text(self._path, json.dumps({"micro_batch": less, "planned_micro_batch": planned}))
        self._report.warning(
            "micro_batch_lowered",
            f"{before} of the longest rows at once are out of memory: {less} at once, "
            f"{args.gradient_accumulation_steps} times a step, are used; the effective batch is the same",
            "expect it a little slower; checkpointing or a smaller max_length makes room too",
        )
        if planned == before and self._settings.capacity:
            self._remember(self._settings.capacity)
        gc.collect()
        card.forget_peaks(self._device)

    def _remember(self, held: float) -> None:
        """For the next plan on this card."""
        from tuiftune.hardware import experience

        if needs := self._settings.predicted["needs"]:
            experience.note(card.name_of(self._device), held / needs * self._settings.correction)


def _updates(trainer: RunTrainer, *, paged: bool) -> None:
    """Forward, backward and update as training does them, at a learning rate of 0.

    Paged states are left out: they live beside the card's memory, and can't be taken back.
    """
    batch = _longest(trainer, trainer.train_dataset, trainer.args.per_device_train_batch_size)
    model, optimizer = trainer.model_wrapped, trainer.optimizer
    steps = min(trainer.args.gradient_accumulation_steps, MICRO_STEPS)
    for _ in range(UPDATES):
        for _ in range(steps):
            trainer.current_gradient_accumulation_steps = steps
            learnt = trainer._get_num_items_in_batch([batch] * steps, trainer.args.device)
            SFTTrainer.training_step(trainer, model, dict(batch), learnt)
        norm = trainer._clip(model.parameters(), trainer.args.max_grad_norm)
        if not paged and math.isfinite(float(norm)):  # else a rate of 0 would still leave NaN in the weights
            optimizer.step()
        model.zero_grad(set_to_none=True)


def _begin_again(trainer: RunTrainer) -> None:
    """Let the next call of `train` make its optimizer and its loader of data anew."""
    trainer._train_batch_size = trainer.args.train_batch_size
    trainer.optimizer = trainer.lr_scheduler = None
    trainer._created_lr_scheduler = False
    trainer.is_in_train = False


def _evaluation(trainer: RunTrainer) -> None:
    import torch

    if not trainer.eval_dataset:
        return
    batch = _longest(trainer, trainer.eval_dataset, trainer.args.per_device_eval_batch_size)
    trainer.model.eval()
    with torch.no_grad(), levers.eager_layers(trainer.model), trainer.accelerator.autocast():
        trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch))
    trainer.model.train()


def _longest(trainer: RunTrainer, dataset: Any, count: int) -> dict[str, Any]:
    """A batch of the longest rows, collated as training collates them."""
    import numpy as np
    import pyarrow.compute as compute

    column = dataset.select_columns(["input_ids"]).with_format("arrow")[:]["input_ids"]
    lengths = compute.list_value_length(column).to_numpy()
    picked = np.sort(np.argsort(-lengths, kind="stable")[:count])
    rows = trainer._remove_unused_columns(dataset.select(picked.tolist()), description="training")
    batch: dict[str, Any] = trainer.data_collator([rows[index] for index in range(len(rows))])
    return batch


@contextmanager
def _nothing_stays(trainer: RunTrainer, *, adapted: bool) -> Iterator[None]:
    """Everything that a step changes is put back. Weights of full tuning can't change at a rate of 0."""
    import numpy as np
    import torch

    cuda = torch.cuda.is_available()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cards = torch.cuda.get_rng_state_all() if cuda else []
    optimizer: Any = trainer.optimizer
    groups = optimizer.param_groups
    rates = [group["lr"] for group in groups]
    scaler = trainer.accelerator.scaler
    scale = copy.deepcopy(scaler.state_dict()) if scaler is not None else None
    trained = [one for one in trainer.model.parameters() if one.requires_grad] if adapted else []
    weights = [one.detach().to("cpu", copy=True) for one in trained]
    counted = {name: copy.deepcopy(getattr(trainer, name)) for name in COUNTED}
    for group in groups:
        group["lr"] = 0.0
    try:
        yield
    finally:
        trainer.model_wrapped.zero_grad(set_to_none=True)
        getattr(optimizer, "optimizer", optimizer).state.clear()
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        with torch.no_grad():
            for one, weight in zip(trained, weights, strict=True):
                one.copy_(weight)
        if scaler is not None:
            scaler.load_state_dict(scale)
        for name, value in counted.items():
            setattr(trainer, name, value)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(cards)
