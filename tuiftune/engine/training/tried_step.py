"""Updates and an evaluation on the longest rows, as training makes them, of which nothing stays."""

from __future__ import annotations

import copy
import math
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuiftune.engine.training import optimizations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiftune.engine.training.trainer import RunTrainer

UPDATES = 2  # the first allocates the optimizer's states, the second runs in addition to them
MICRO_STEPS = 2  # of an update at most: from the second on, gradients are in memory with activations


def updates(trainer: RunTrainer, *, paged: bool) -> None:
    """Forward, backward and update as training does them, at a learning rate of 0.

    Paged states are excluded: they are in RAM, and cannot be restored.
    """
    model, optimizer = trainer.model_wrapped, trainer.optimizer
    steps = min(trainer.args.gradient_accumulation_steps, MICRO_STEPS)
    step = _sampled(trainer, steps) if trainer._settings.stage.writes else _collated(trainer, steps)
    for _ in range(UPDATES):
        for _ in range(steps):
            trainer.current_gradient_accumulation_steps = steps
            step()
        norm = trainer._clip(model.parameters(), trainer.args.max_grad_norm)
        if not paged and math.isfinite(float(norm)):  # else a rate of 0 would still leave NaN in the weights
            optimizer.step()
        model.zero_grad(set_to_none=True)


def _collated(trainer: RunTrainer, steps: int) -> Callable[[], Any]:
    """A micro step on the longest rows."""
    batch = _longest(trainer, trainer.train_dataset, trainer.args.per_device_train_batch_size)
    weight = (steps * trainer.group.size * trainer.weight(batch)).to(trainer.args.device)
    return lambda: trainer.plain_step(trainer.model_wrapped, dict(batch), weight)


def _sampled(trainer: RunTrainer, steps: int) -> Callable[[], Any]:
    """A micro step on answers as long as they may be, to the longest prompts: as many as a step samples."""
    args = trainer.args
    wanted = args.per_device_train_batch_size * args.gradient_accumulation_steps
    several = getattr(args, "num_generations", 1)
    rows = trainer.train_dataset
    order = sorted(range(len(rows)), key=lambda place: -len(rows["prompt_ids"][place]))
    chosen = [order[number % len(order)] for number in range(max(1, wanted // several))]
    prompts = [rows[place] for place in chosen for _ in range(several)]

    def step() -> None:
        with trainer.longest_answers():
            trainer.plain_step(trainer.model_wrapped, prompts, None)

    return step


def evaluation(trainer: RunTrainer) -> None:
    import torch

    if not trainer.eval_dataset:
        return
    batch = _longest(trainer, trainer.eval_dataset, trainer.args.per_device_eval_batch_size)
    trainer.model.eval()
    with torch.no_grad(), optimizations.eager_layers(trainer.model), trainer.accelerator.autocast():
        trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch))
    trainer.settle()
    trainer.model.train()


def _longest(trainer: RunTrainer, dataset: Any, count: int) -> dict[str, Any]:
    """A batch of the longest rows, collated as training collates them."""
    import numpy as np
    import pyarrow.compute as compute

    columns = dataset.select_columns(list(trainer.lengths)).with_format("arrow")[:]
    lengths = sum(compute.list_value_length(columns[name]).to_numpy() for name in trainer.lengths)
    picked = np.sort(np.argsort(-lengths, kind="stable")[:count])
    rows = trainer._remove_unused_columns(dataset.select(picked.tolist()), description="training")
    batch: dict[str, Any] = trainer.data_collator([rows[index] for index in range(len(rows))])
    return batch


@contextmanager
def nothing_stays(trainer: RunTrainer, *, adapted: bool) -> Iterator[None]:
    """Everything that a step changes is put back. Weights of full fine-tuning can't change at a rate of 0."""
    import numpy as np
    import torch

    cuda = torch.cuda.is_available()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    gpus = torch.cuda.get_rng_state_all() if cuda else []
    optimizer: Any = trainer.optimizer
    rates = [group["lr"] for group in optimizer.param_groups]
    state = copy.deepcopy(trainer.state)
    sampled = trainer.state.num_input_tokens_seen
    scaler = trainer.accelerator.scaler
    scale = copy.deepcopy(scaler.state_dict()) if scaler is not None else None
    trained = [one for one in trainer.model.parameters() if one.requires_grad] if adapted else []
    weights = [trainer.local(one.detach()).to("cpu", copy=True) for one in trained]
    counted = {name: copy.deepcopy(getattr(trainer, name)) for name in trainer.counters}
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    try:
        yield
    finally:
        trainer.model_wrapped.zero_grad(set_to_none=True)
        getattr(optimizer, "optimizer", optimizer).state.clear()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        trainer.state.stateful_callbacks = state.stateful_callbacks
        trainer.state.total_flos = state.total_flos
        trainer.state.num_input_tokens_seen = sampled
        with torch.no_grad():
            for one, weight in zip(trained, weights, strict=True):
                trainer.local(one.detach()).copy_(weight)
        if scaler is not None:
            scaler.load_state_dict(scale)
        for name, value in counted.items():
            setattr(trainer, name, value)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(gpus)
