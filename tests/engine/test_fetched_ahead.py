"""The rows of the next step are collated at the end of this one: the same rows, in their order."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from tuiftune.engine.training.trainer import over

if TYPE_CHECKING:
    from collections.abc import Iterator


class Collated:
    """In place of a stage's trainer: notes what is collated and what is trained on."""

    def get_batch_samples(self, rows: Iterator[int], count: int, device: Any) -> Any:
        batch = list(islice(rows, count))
        self.seen.append(f"collated {batch}")  # type: ignore[attr-defined]
        return batch, len(batch)

    def training_step(self, model: Any, inputs: Any) -> Any:
        self.seen.append(f"trained {inputs}")  # type: ignore[attr-defined]
        return torch.tensor(1.0)

    def tokens(self, inputs: Any) -> int:
        return 1


def made(processes: int = 1) -> Any:
    trainer: Any = object.__new__(over(Collated))  # type: ignore[type-var]
    trainer.seen = []
    trainer._micro, trainer._tokens, trainer._waited, trainer._not_finite = 0, 0, 0.0, False
    trainer._batch = trainer._more = trainer._ahead = None
    where = SimpleNamespace(mark=lambda *told: None)
    trainer.group = SimpleNamespace(size=processes, whereabouts=where, gather=lambda one: [one])
    ends = SimpleNamespace(end_of_dataloader=False)
    trainer.accelerator = SimpleNamespace(gradient_state=ends, sync_gradients=True)
    trainer.args = SimpleNamespace(device=torch.device("cpu"))
    trainer.state = SimpleNamespace(global_step=0)
    return trainer


def stepped(trainer: Any, rows: Iterator[int], count: int) -> list[int]:
    batch, _ = trainer.get_batch_samples(rows, count, "cpu")
    for one in batch:
        trainer.training_step(None, one)
    return list(batch)


def test_rows_keep_their_order_and_are_there_before_they_are_asked_for() -> None:
    trainer, rows = made(), iter(range(6))
    assert [stepped(trainer, rows, 2) for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert trainer.seen[:4] == ["collated [0, 1]", "trained 0", "trained 1", "collated [2, 3]"]


def test_what_is_left_of_one_epoch_does_not_come_in_the_next() -> None:
    trainer, first, second = made(), iter(range(5)), iter(range(10, 15))
    assert [stepped(trainer, first, 2), stepped(trainer, first, 2)] == [[0, 1], [2, 3]]
    assert stepped(trainer, second, 2) == [10, 11], "training went on before the epoch's end"
    trainer.accelerator.gradient_state.end_of_dataloader = True
    before = len(trainer.seen)
    assert stepped(trainer, second, 2) == [12, 13]
    assert trainer.seen[before:] == ["trained 12", "trained 13"]


def test_several_processes_collate_when_it_is_their_turn() -> None:
    trainer, rows = made(processes=2), iter(range(4))
    stepped(trainer, rows, 2)
    assert trainer.seen == ["collated [0, 1]", "trained 0", "trained 1"]
