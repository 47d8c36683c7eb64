"""How a run's trainer evaluates: the mean loss over trained tokens, and what the stage measures of rows."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from tuiftune.engine.process.faults import NotANumberError
from tuiftune.engine.training import optimizations
from tuiftune.evaluate.best_by import LOSS
from tuiftune.evaluate.statistics import perplexity_told
from tuiftune.runs.reports.verdict import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transformers import Trainer as Mixin

    from tuiftune.engine.distributed.group import Group
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.training.callback import Rhythm
    from tuiftune.engine.training.settings import Settings
    from tuiftune.evaluate.scorers.base import Pair
else:
    Mixin = object  # before a stage's trainer (see `trainer.over`), whose methods `super()` finds


CHOSEN, REJECTED, MARGINS = "rewards/chosen", "rewards/rejected", "rewards/margins"


class Evaluating(Mixin):
    """A trainer whose evaluation is this run's own. Its stage's trainer measures, weighs and ranks."""

    _settings: Settings
    _report: Report
    _stop_check: Callable[[], None]
    rhythm: Rhythm
    group: Group
    shared: bool
    when: str
    evaluating: bool
    sources: dict[str, Any]
    source_losses: dict[str, float]
    measured: dict[str, float]
    held_out_parts: list[tuple[float, int]]
    pairs: Callable[[], list[Pair]] | None
    after_evaluation: Callable[[int], None] | None

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Mean loss over the trained tokens of the evaluation rows, whatever the batch size.

        Leaves random numbers alone.
        """
        began = time.monotonic()
        self.group.whereabouts.leave()
        self.evaluating = self.is_in_train
        with torch.random.fork_rng(devices=[]), optimizations.eager_layers(self.model):
            loss = self._held_out_loss()
            self.source_losses = {name: self._mean_loss(rows) for name, rows in self.sources.items()}
        self.evaluating = False
        step = self.state.global_step
        if not math.isfinite(loss):
            raise NotANumberError("eval loss", step)
        told = {"loss": loss, **self.measured}
        if self._settings.stage.likelihood and (value := perplexity_told(loss)) is not None:
            told["perplexity"] = value
        rank = self._rank(told) if self.is_in_train else None
        by_source = {"sources": self.source_losses} if self.source_losses else {}
        self._report.emit("eval", step=step, **told, **by_source, when=self.when)
        if self.is_in_train and self.after_evaluation is not None:
            self.after_evaluation(step)
        metrics = {f"eval_{name}": value for name, value in told.items()}
        if self.is_in_train:
            self.rhythm.progress.judge(loss, step, rank)
            self.log(metrics)
            self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.rhythm.pause(time.monotonic() - began)
        return metrics

    def _rank(self, told: dict[str, float]) -> float | None:
        """The rank of this evaluation by the metric that chooses the best checkpoint, which is told too."""
        by = self.rhythm.best_by
        if by.key == LOSS:
            return None
        answers = self.pairs() if by.scorer is not None and self.pairs is not None else []
        value = by.of(told, answers)
        if value is None or not math.isfinite(value):
            return None
        told[by.key] = value
        return by.rank(value)

    def _held_out_loss(self) -> float:
        loader: Any = ()
        if not self._settings.stage.rollouts:
            loader = self.get_eval_dataloader() if self.group.size == 1 else self._share_held_out()
        parts: list[tuple[float, int]] = []
        measured: list[dict[str, tuple[float, int]]] = []
        self.ranked.clear()
        self.model.eval()
        if self._settings.stage.rollouts:
            for lacking, told in self.rewarded(self._say_answers):
                parts.append((lacking, 1))
                measured.append({name: (value, 1) for name, value in told.items()})
        with self._own_metrics():
            for batch, own in self.batches(self._reported(loader), len(loader)):
                inputs = self._prepare_inputs(batch)
                count = int(self.weight(inputs))
                if not count and not self.shared:
                    continue
                with torch.no_grad(), self.accelerator.autocast():
                    loss = float(self.compute_loss(self.model, inputs))
                told = self._take_measures()
                if own and count:
                    parts.append((loss * count, count))
                    over = getattr(self, "measured_over", {})
                    measured.append({name: (value, over.get(name, count)) for name, value in told.items()})
        self._metrics["eval"].clear()
        every = self.group.gather(parts)
        self.measured = self._mean_measures(self.group.gather(measured))
        self.ranked[:] = [one for share in self.group.gather(list(self.ranked)) for one in share]
        self.held_out_parts = grouped([part for share in every for part in share])
        totals = [(sum(loss for loss, _ in share), sum(count for _, count in share)) for share in every]
        return sum(loss for loss, _ in totals) / max(sum(count for _, count in totals), 1)

    def _mean_loss(self, rows: Any) -> float:
        """Mean loss over the trained tokens of rows that are evaluated by themselves."""
        totals = [0.0, 0]
        loader = self._share(rows)
        with self._own_metrics(), torch.no_grad(), self.accelerator.autocast():
            for batch, own in self.batches(loader, len(loader)):
                inputs = self._prepare_inputs(batch)
                count = int(self.weight(inputs))
                if not count and not self.shared:
                    continue
                loss = float(self.compute_loss(self.model, inputs))
                if own and count:
                    totals[0] += loss * count
                    totals[1] += count
        self._metrics["eval"].clear()
        every = self.group.gather(totals)
        return float(sum(loss for loss, _ in every) / max(1, sum(count for _, count in every)))

    def _say_answers(self, done: int, total: int) -> None:
        if not self.is_in_train:
            self._stop_check()
        phase = "evaluating" if self.is_in_train else f"scoring_{self.when}"
        self._report.phase(phase, "rewards", done=done, total=total)

    def _take_measures(self) -> dict[str, float]:
        """What the stage measured of the latest batch, but for what says nothing of the base model."""
        found = self._metrics["eval"]
        told = {name: found[name][-1] for name in self.measures if found.get(name)}
        found.clear()
        skipped = self.against_base if self.when == "before" else ()
        return {name: value for name, value in told.items() if name not in skipped}

    def _mean_measures(self, measured: list[list[dict[str, tuple[float, int]]]]) -> dict[str, float]:
        """The mean of each measure over the rows of all processes that it is of."""
        every = [one for share in measured for one in share]
        told = {}
        for name in dict.fromkeys(name for one in every for name in one):
            known = [one[name] for one in every if name in one]
            told[name] = sum(value * count for value, count in known) / sum(count for _, count in known)
        if hasattr(self, "measured_over") and {CHOSEN, REJECTED} <= told.keys():
            told[MARGINS] = told[CHOSEN] - told[REJECTED]
        return told

    def batches(self, loader: Any, number: int) -> Iterator[tuple[Any, bool]]:
        """The batches of an evaluation, `number` of them, and whether their loss counts."""
        del number
        return ((batch, True) for batch in loader)

    def _share_held_out(self) -> Any:
        """This process's evaluation rows. accelerate would repeat some to make the shares even."""
        return self._share(self.eval_dataset)

    def _share(self, dataset: Any) -> Any:
        rows = self._remove_unused_columns(dataset, description="evaluation")
        share = rows.shard(num_shards=self.group.size, index=self.group.rank, contiguous=False)
        return torch.utils.data.DataLoader(
            share, batch_size=self.args.eval_batch_size, collate_fn=self.data_collator
        )

    @contextmanager
    def _own_metrics(self) -> Iterator[None]:
        """TRL gathers its metrics at every batch, where uneven shares would wait for one another."""
        gather = self.accelerator.gather_for_metrics
        self.accelerator.gather_for_metrics = lambda value, *args, **kwargs: value
        try:
            yield
        finally:
            self.accelerator.gather_for_metrics = gather

    def _reported(self, loader: Any) -> Iterator[Any]:
        phase = "evaluating" if self.is_in_train else f"scoring_{self.when}"
        for index, batch in enumerate(loader):
            if not self.is_in_train:
                self._stop_check()
            self._report.phase(phase, "eval loss", done=index, total=len(loader))
            yield batch
