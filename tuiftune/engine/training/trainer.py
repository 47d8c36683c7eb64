"""A stage's trainer with our checkpoints, our eval loss, and a stop at the first number that isn't one."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import AutocastKwargs
from transformers import PrinterCallback

from tuiftune import paths
from tuiftune.engine.distributed import whereabouts
from tuiftune.engine.process.faults import NotANumberError
from tuiftune.engine.techniques import applied
from tuiftune.engine.techniques.base import RATIO
from tuiftune.engine.training import optimizations
from tuiftune.engine.training.fingerprint import TOKENIZER, WEIGHTS
from tuiftune.evaluate.best_by import LOSS
from tuiftune.evaluate.statistics import perplexity_told
from tuiftune.runs.reports.verdict import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from transformers import Trainer as Mixin

    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.callback import Rhythm
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.evaluate.scorers.base import Pair
else:
    Mixin = object  # before a stage's trainer (see `over`), whose methods `super()` finds

HISTORY = 100  # log lines kept in the trainer's state; the event log has them all
OVERFLOWS = 20  # a float16 loss scale may be halved this often in a row before it counts as not a number


class RunTrainer(Mixin):
    """What a run adds to the trainer of its stage, whose loop, resume and loss stay the libraries' own."""

    shared = False  # one model over all processes, whose calls all of them have to make

    def __init__(
        self,
        *,
        context: RunContext,
        rhythm: Rhythm,
        fingerprint: dict[str, Any],
        parameters: int,
        **kwargs: Any,
    ) -> None:
        settings = context.wanted
        self._settings, self._store, self._report = settings, context.store, context.report
        self.rhythm, self.parameters, self.group = rhythm, parameters, context.group
        self._stop_check = context.stopping.check
        self.run_tokenizer = context.tokenizer
        self._fingerprint = fingerprint
        self._staged: Path | None = None
        self._tokens: Any = 0
        self._overflows = 0
        self._not_finite: Any = False  # a loss of this step, on this process
        self._waited = 0.0
        self.written_in: str | None = None  # the type of a whole model's file; None: as it is held
        self.when = "before"
        self.held_out_parts: list[tuple[float, int]] = []  # of the latest evaluation, see `verdict.grouped`
        self.measured: dict[str, float] = {}  # of the latest evaluation: what the stage tells of its rows
        self.pairs: Callable[[], list[Pair]] | None = None  # answers and references, for the best checkpoint
        self.sources: dict[str, Any] = {}  # datasets that are evaluated by themselves
        self.source_losses: dict[str, float] = {}
        self.before_answers: tuple[Any, Any, Any] | None = None  # random numbers, before the latest sampling
        self.evaluating = False
        self.after_evaluation: Callable[[int], None] | None = None  # told the step, while training
        super().__init__(callbacks=[rhythm], **kwargs)
        if not settings.adapted:  # or every weight lies in memory twice, through the whole forward pass
            self.accelerator.autocast_handler = AutocastKwargs(cache_enabled=False)
        if self.accelerator.ddp_handler is not None:  # else every gradient lies in memory twice
            self.accelerator.ddp_handler.gradient_as_bucket_view = True
        rhythm.trainer = self
        self._micro = 0  # micro-batches of this step so far
        if self.group.size > 1:
            self._backward, self.accelerator.backward = self.accelerator.backward, self._backward_marked
        self.remove_callback(PrinterCallback)
        self._clip = self.accelerator.clip_grad_norm_
        self.accelerator.clip_grad_norm_ = self._clip_checked

    @property
    def base_files(self) -> dict[str, str]:
        """Digests of the base model's files that it is trained on, as far as they are known."""
        known = {"weights": WEIGHTS, "tokenizer": TOKENIZER}
        return {key: self._fingerprint[name] for key, name in known.items() if name in self._fingerprint}

    @property
    def trainable(self) -> int:
        """Parameters that are trained."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    def take_tokens(self) -> int:
        """Tokens trained on since last asked, padding left out."""
        tokens, self._tokens = int(self._tokens), 0
        return tokens

    def take_waited(self) -> float:
        """Seconds spent waiting for rows since last asked."""
        waited, self._waited = self._waited, 0.0
        return waited

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        self._micro = 0
        self._mark(whereabouts.ROWS)
        batch = super().get_batch_samples(*args, **kwargs)
        self._waited += time.monotonic() - began
        return batch

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        self._tokens = self._tokens + self.tokens(inputs)
        self._micro += 1
        self._mark(whereabouts.FORWARD)
        loss = super().training_step(model, inputs, *args, **kwargs)
        self._not_finite = self._not_finite | ~torch.isfinite(loss)
        # Before the last micro step the other processes don't wait for this one, and would wait forever then.
        asked = self.group.size == 1 or self.accelerator.sync_gradients
        self._mark(whereabouts.LOSS)
        if asked and any(found := self.group.gather(bool(self._not_finite))):
            which = f" of process {found.index(True) + 1} of {len(found)}" if len(found) > 1 else ""
            raise NotANumberError(f"loss{which}", self.state.global_step + 1)
        if asked:
            self._mark(whereabouts.UPDATE)
        return loss

    def _mark(self, what: int) -> None:
        """Note for the other processes how far this one is."""
        self.group.whereabouts.mark(what, self.state.global_step + 1, self._micro)

    def _backward_marked(self, *args: Any, **kwargs: Any) -> None:
        if self._micro and self.is_in_train:
            self._mark(whereabouts.BACKWARD)
        self._backward(*args, **kwargs)

    def answering(self) -> Any:
        """A context in which a process can generate by itself; if it gives False, all have to together."""
        return nullcontext(True)

    def settle(self) -> None:
        """Called after forward passes that no backward pass follows."""

    def plain_step(self, model: Any, inputs: Any, weight: Any) -> Any:
        """Forward and backward as the stage's trainer does them, without what a run adds."""
        return super().training_step(model, inputs, weight)

    def _clip_checked(self, *args: Any, **kwargs: Any) -> Any:
        norm = self._clip(*args, **kwargs)
        if norm is not None and not math.isfinite(float(norm)):
            self._overflows += 1
            if self.accelerator.scaler is None or self._overflows > OVERFLOWS:
                raise NotANumberError("gradient norm", self.state.global_step + 1)
        else:
            self._overflows = 0
        return norm

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
        measured: list[dict[str, float]] = []
        self.ranked.clear()
        self.model.eval()
        if self._settings.stage.rollouts:
            for lacking, told in self.rewarded(self._say_answers):
                parts.append((lacking, 1))
                measured.append(told)
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
                    measured.append(told)
        self._metrics["eval"].clear()
        every = self.group.gather(parts)
        self.measured = self._mean_measures(every, self.group.gather(measured))
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

    def _mean_measures(
        self, parts: list[list[tuple[float, int]]], measured: list[list[dict[str, float]]]
    ) -> dict[str, float]:
        """The mean of each measure over the rows of all processes."""
        rows = [count for share in parts for _, count in share]
        every = list(zip([one for share in measured for one in share], rows, strict=True))
        told = {}
        for name in dict.fromkeys(name for one, _ in every for name in one):
            known = [(one[name], count) for one, count in every if name in one]
            told[name] = sum(value * count for value, count in known) / sum(count for _, count in known)
        return told

    def progress(self, what: str, done: int, total: int) -> None:
        """Report how far something got while the trainer is made."""
        self._stop_check()
        self._report.phase("loading", what, done=done, total=total)

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
    def by_itself(self) -> Iterator[None]:
        """Steps of this process alone: the others are neither asked for metrics nor sent gradients."""
        with self._own_metrics(), self.accelerator.no_sync(self.model_wrapped):
            yield

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

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the result gets a model card of its own, once there are scores to state."""

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

    def local(self, tensor: Any) -> Any:
        """This process's part of a parameter."""
        return tensor

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        applied(self._settings.technique).restore(self.model, self._settings)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        fresh = self.optimizer is None
        optimizer = super().create_optimizer(*args, **kwargs)
        if fresh:
            applied(self._settings.technique).group(optimizer, self.model, self._settings)
        return optimizer

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


def over(trainer: type[StageTrainer], *before: type) -> type[RunTrainer]:
    """A run's trainer over that of its stage; `before` it what is a run's own."""
    return type(RunTrainer.__name__, (*before, RunTrainer, trainer), {})
