"""The models of a run as contenders: the base model, and the one that is trained, in the same trainer."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from tuiftune.data.chat.answer import Stripped
from tuiftune.engine.evaluation import answers
from tuiftune.engine.training import optimizations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiftune.engine.training.opening import RunContext
    from tuiftune.engine.training.trainer import RunTrainer
    from tuiftune.evaluate.contender import Question

BEFORE, AFTER = "before", "after"


class ModelContender:
    """The trainer's model as it is now; as `before`, with its adapters off."""

    def __init__(self, context: RunContext, trainer: RunTrainer, key: str, room: int) -> None:
        """`room`: new tokens of an answer at most."""
        self.key, self._context, self._trainer, self._room = key, context, trainer, room

    def __enter__(self) -> ModelContender:
        model = self._trainer.model
        off = self.key == BEFORE and hasattr(model, "disable_adapter")
        self._off: Any = model.disable_adapter() if off else nullcontext()
        self._off.__enter__()
        return self

    def __exit__(self, *fault: Any) -> None:
        self._off.__exit__(*fault)

    def loss(self) -> float:
        """Mean loss a trained token of the evaluation rows, in nats."""
        self._trainer.when = self.key
        return float(self._trainer.evaluate()["eval_loss"])

    @property
    def measured(self) -> dict[str, float]:
        """What the stage told of the rows that `loss` was measured on."""
        return dict(self._trainer.measured)

    @property
    def sources(self) -> dict[str, float]:
        """Loss on the held-out rows of each source, measured with `loss`."""
        return dict(self._trainer.source_losses)

    @property
    def ranked(self) -> list[bool]:
        """Of the same rows, if they are pairs: whether the chosen answer was the likelier one."""
        return list(self._trainer.ranked)

    @property
    def shared(self) -> bool:
        """Whether the processes share one model."""
        return self._trainer.shared

    def answering(self) -> Any:
        """A context for `write`, see `RunTrainer.answering`."""
        return self._trainer.answering()

    def answer(self, rows: Sequence[Question]) -> list[Stripped]:
        """One answer a row; each process writes those to its share of them."""
        return self._answers(rows, f"scoring_{self.key}", self._context.stopping.check)

    def during(self, rows: Sequence[Question]) -> list[str]:
        """The same while training, whose random numbers are left alone and which a stop ends at its step."""
        with torch.random.fork_rng(devices=[]):
            return [one.answer for one in self._answers(rows, "evaluating", lambda: None)]

    def _answers(self, rows: Sequence[Question], phase: str, check: Callable[[], None]) -> list[Stripped]:
        if not rows:
            return []
        context, total = self._context, len(rows)
        rank, size = context.group.rank, context.group.size

        def progress(done: int) -> None:
            check()
            context.report.phase(phase, "answers", done=min(done * size, total), total=total)

        progress(0)
        with self._trainer.answering() as alone:
            if not alone:
                return self.write(rows, self._room, lambda done: progress(done // size), together=True)
            written = self.write(rows[rank::size], self._room, progress)
        every = [Stripped("")] * total
        for number, part in enumerate(context.group.gather(written)):
            every[number::size] = part
        return every

    def write(
        self,
        rows: Sequence[Question],
        room: int,
        progress: Callable[[int], None] = lambda done: None,
        criteria: Sequence[Any] = (),
        together: bool = False,
    ) -> list[Stripped]:
        """Answers by this process alone, or the same by all `together`, of `room` tokens at most; `criteria`
        may end them before.
        """
        trainer = self._trainer
        with optimizations.eager_layers(trainer.model):
            return answers.generate(
                trainer.model,
                rows,
                self._context.tokenizer,
                max_new_tokens=room,
                autocast=trainer.accelerator.autocast,
                progress=progress,
                criteria=criteria,
                together=together,
                device=trainer.args.device if trainer.shared else None,
                within=self._within,
            )

    @property
    def _within(self) -> int | None:
        """Bytes that the plan counts on for training: scoring before and after it takes no more."""
        needs = self._context.wanted.predicted.get("needs")
        return None if needs is None else int(needs)
