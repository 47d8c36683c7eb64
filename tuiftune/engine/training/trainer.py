"""A stage's trainer with our checkpoints, our eval loss, and a stop at the first number that isn't one."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import AutocastKwargs
from transformers import PrinterCallback

from tuiftune.engine.distributed import whereabouts
from tuiftune.engine.process.faults import NotANumberError
from tuiftune.engine.techniques import applied
from tuiftune.engine.training.evaluating import Evaluating
from tuiftune.engine.training.fingerprint import TOKENIZER, WEIGHTS
from tuiftune.engine.training.saving import Saving
from tuiftune.engine.training.walks import ShortWalks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuiftune.engine.stages.base import StageTrainer
    from tuiftune.engine.training.callback import Rhythm
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.evaluate.scorers.base import Pair

OVERFLOWS = 20  # a float16 loss scale may be halved this often in a row before it counts as not a number


class RunTrainer(Evaluating, Saving, ShortWalks):
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
        self._norm: Any = None  # of this step's gradients
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
        self._batch: Any = None  # its micro-batches, and how many items they have
        self._more: Any = None  # what the next ones are asked for with
        self._ahead: Any = None  # their iterator and the next ones, once those have been fetched
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

    def get_batch_samples(self, rows: Any, count: int, device: Any) -> Any:
        began = time.monotonic()
        self._micro = 0
        self._mark(whereabouts.ROWS)
        ahead, self._ahead = self._ahead, None
        fetched = ahead is not None and ahead[0] is rows
        self._batch = ahead[1] if fetched else super().get_batch_samples(rows, count, device)
        self._more = (rows, count, device)
        self._waited += time.monotonic() - began
        return self._batch

    def _fetch_ahead(self) -> None:
        """Collate the next step's rows while the GPU is at work on this one's. Not the last ones of an epoch,
        whose end accelerate notes when it hands them out.
        """
        if self.accelerator.gradient_state.end_of_dataloader:
            return
        began, at_work = time.monotonic(), None
        if self.args.device.type == "cuda":
            at_work = torch.cuda.Event()
            at_work.record()
        self._ahead = (self._more[0], super().get_batch_samples(*self._more))
        if at_work is None or at_work.query():  # then the GPU has waited as well, a part of the time at least
            self._waited += time.monotonic() - began

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        self._tokens = self._tokens + self.tokens(inputs)
        self._micro += 1
        self._mark(whereabouts.FORWARD)
        loss = super().training_step(model, inputs, *args, **kwargs)
        if self.group.size == 1 and self._micro == len(self._batch[0]):
            self._fetch_ahead()
        self._not_finite = self._not_finite | ~torch.isfinite(loss)
        # Before the last micro step the other processes don't wait for this one, and would wait forever then.
        asked = self.group.size > 1 and self.accelerator.sync_gradients
        self._mark(whereabouts.LOSS)
        if asked and any(found := self.group.gather(bool(self._not_finite))):
            which = f" of process {found.index(True) + 1} of {len(found)}"
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

    def _clip_checked(self, parameters: Any, *args: Any, **kwargs: Any) -> Any:
        norm = self._clip(self.clipped(parameters), *args, **kwargs)
        if self.group.size == 1 and self.accelerator.scaler is None:
            self._norm = norm
        elif norm is not None and not math.isfinite(float(norm)):
            self._overflows += 1
            if self.accelerator.scaler is None or self._overflows > OVERFLOWS:
                raise NotANumberError("gradient norm", self.state.global_step + 1)
        else:
            self._overflows = 0
        return norm

    def check_numbers(self) -> None:
        """NotANumberError if this step's loss or gradient norm is none. One process by itself is asked after
        its update, which no checkpoint holds yet: the GPU would have to wait for the answer before.
        """
        norm, self._norm = self._norm, None
        if self.group.size == 1 and bool(self._not_finite):
            raise NotANumberError("loss", self.state.global_step)
        if norm is not None and not math.isfinite(float(norm)):
            raise NotANumberError("gradient norm", self.state.global_step)

    def progress(self, what: str, done: int, total: int) -> None:
        """Report how far something got while the trainer is made."""
        self._stop_check()
        self._report.phase("loading", what, done=done, total=total)

    @contextmanager
    def by_itself(self) -> Iterator[None]:
        """Steps of this process alone: the others are neither asked for metrics nor sent gradients."""
        with self._own_metrics(), self.accelerator.no_sync(self.model_wrapped):
            yield

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the result gets a model card of its own, once there are scores to state."""

    def local(self, tensor: Any) -> Any:
        """This process's part of a parameter."""
        return tensor

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        fresh = self.optimizer is None
        optimizer = super().create_optimizer(*args, **kwargs)
        if fresh:
            applied(self._settings.technique).group(optimizer, self.model, self._settings)
        return optimizer


def over(trainer: type[StageTrainer], *before: type) -> type[RunTrainer]:
    """A run's trainer over that of its stage; `before` it what is a run's own."""
    return type(RunTrainer.__name__, (*before, RunTrainer, trainer), {})
