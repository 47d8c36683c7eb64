"""When a run evaluates, saves and stops, and what it says at each step: the one callback of the trainer."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, set_seed

from tuiftune import metrics
from tuiftune.engine.process.faults import DivergedError, NotANumberError
from tuiftune.engine.process.gpu import memory_of
from tuiftune.engine.training.checkpoint_size import checkpoint_bytes
from tuiftune.figures import short
from tuiftune.plan import cost
from tuiftune.plan.cost import patience
from tuiftune.runs.health.divergence import FAR_ABOVE, Divergence, lower_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import TrainerControl, TrainerState, TrainingArguments

    from tuiftune.engine.process.stopping import Stop
    from tuiftune.engine.training.opening import RunContext

TOLERANCE = 1.25  # of the share that may be lost, or the clock would save just before each save that is due
SPEED_WINDOW = 16  # steps
MEMORY_EVERY = 10.0  # seconds
FIRST_STEPS = 3  # whose memory is always told


class FinishedError(Exception):
    """A resumed run turns out to have nothing left to train."""


@dataclass(slots=True)
class Progress:
    """State of a run in addition to the trainer's, saved with each checkpoint."""

    best_step: int | None = None  # of the best evaluation while training
    best_loss: float | None = None  # its eval loss
    best_rank: float | None = None  # by another metric, lower is better; None: by eval loss
    base_rank: float | None = None
    base_loss: float | None = None  # the base model's eval loss, the first evaluation of all
    base_parts: list[tuple[float, int]] = field(default_factory=list)  # (loss, tokens) of groups of its rows
    misses: int = 0  # evaluations in a row without gain
    divergence: Divergence = field(default_factory=Divergence)
    sound_step: int | None = None  # without evaluations: a checkpoint from well before any suspicion …
    pending_step: int | None = None  # … and one that will be, if none comes
    finished: bool = False  # every step ran, or early stopping said so
    evaluate_first: bool = False  # a stop came in before an evaluation that was due
    tokens: int = 0
    seconds: float = 0.0  # in all processes of this run
    spent: float = 0.0  # seconds that count towards the budget: these, and those of loading

    def __post_init__(self) -> None:
        if isinstance(self.divergence, dict):  # as a checkpoint has it
            known = Divergence.__dataclass_fields__
            self.divergence = Divergence(
                **{key: value for key, value in self.divergence.items() if key in known}
            )

    @property
    def beats_base(self) -> bool:
        """Return True if an evaluation while training was better than the base model's."""
        if self.best_rank is not None and self.base_rank is not None:
            return self.best_rank < self.base_rank
        return self.best_loss is not None and (self.base_loss is None or self.best_loss < self.base_loss)

    @property
    def go_on_from(self) -> int | None:
        """Return the step of the checkpoint to go on from after divergence; None for the base model."""
        if self.base_loss is None:
            began = self.divergence.since or 0
            recent = self.pending_step is not None and self.pending_step <= began - self.divergence.window
            return self.pending_step if recent else self.sound_step
        return self.best_step if self.beats_base else None

    def judge_base(
        self, loss: float | None, parts: list[tuple[float, int]], rank: float | None = None
    ) -> None:
        """Take in the base model's evaluation, with which every later one is compared."""
        if self.base_rank is None:
            self.base_rank = rank
        if loss is not None and self.base_loss is None:
            self.base_loss, self.base_parts = loss, parts
            self.divergence.evaluate(0, loss, before=True)

    def saves(self, step: int) -> list[int]:
        """Take in that a checkpoint is saved. Returns the steps of those that must stay."""
        if self.base_loss is None and self.divergence.since is None:
            if self.pending_step is None:
                self.pending_step = step
            elif self.pending_step <= step - self.divergence.window:
                self.sound_step, self.pending_step = self.pending_step, step
        kept = (self.best_step, self.sound_step, self.pending_step)
        return [one for one in kept if one is not None]

    def judge(self, loss: float, step: int, rank: float | None = None) -> None:
        """Take in one evaluation while training. Of equal ranks the lower loss is better, but no gain."""
        self.divergence.evaluate(step, loss)
        gains = self.best_loss is None or rank != self.best_rank or rank is None
        better = self.best_loss is None or self._better(loss, rank)
        if better:
            self.best_loss, self.best_rank, self.best_step = loss, rank, step
        self.misses = 0 if better and gains else self.misses + 1

    def _better(self, loss: float, rank: float | None) -> bool:
        assert self.best_loss is not None
        if rank is None or self.best_rank is None:
            return loss < self.best_loss
        return (rank, loss) < (self.best_rank, self.best_loss)


class Rhythm(TrainerCallback):
    """Decides at every step boundary; `trainer` is set once it exists."""

    def __init__(self, context: RunContext, progress: Progress) -> None:
        settings = context.wanted
        self.trainer: Any = None
        self.before_training: Callable[[Any], None] | None = None
        self.progress = progress
        self.stop: Stop | None = None
        self._seed = settings.preset.training.seed
        self._patience = settings.preset.training.early_stopping
        self._divergence_patience = settings.preset.training.divergence_patience
        self._rate = float(settings.preset.training.learning_rate)
        self._usual_rate, self._run = settings.usual_rate, context.store.directory.parent.name
        self.diverged: DivergedError | None = None
        self.result_step: int | None = None  # whose weights are the result
        self._every = int(settings.preset.run.save_every)
        evaluations = settings.preset.evaluation.every
        self._evaluate_every = self._every if evaluations == "auto" else evaluations
        self.best_by = context.best_by
        self._compiles = settings.preset.training.compile is True
        self._predicted = settings.predictions
        self._report, self._stopping, self._group = context.report, context.stopping, context.group
        self._evaluates, self._device = context.rows_held_out > 0, context.device
        self._began = time.monotonic() - progress.seconds
        self._paused = 0.0
        self._saved_at, self._save_took = time.monotonic(), 0.0
        self._speeds: deque[tuple[float, int]] = deque(maxlen=SPEED_WINDOW)
        self._memory_at = 0.0
        self._logged_at = 0.0

    def snapshot(self) -> dict[str, Any]:
        """The progress as it is now, for a checkpoint."""
        self.progress.seconds = time.monotonic() - self._began
        self.progress.spent = self._stopping.spent
        return asdict(self.progress)

    def pause(self, seconds: float) -> None:
        """Time that didn't go into training steps."""
        self._paused += seconds

    def saved(self, seconds: float) -> None:
        self._saved_at, self._save_took = time.monotonic(), seconds

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._report.step = state.global_step
        self.progress.divergence.total = state.max_steps
        if self._group.rank:  # or all would drop the same weights; a resumed run has its own states
            set_seed(self._seed + self._group.rank)
        if self.before_training is not None:
            self.before_training(self.trainer)
        self._saved_at = time.monotonic()
        self._save_took = self._save_took or checkpoint_bytes(kwargs["model"]) / cost.WRITTEN
        if self.progress.evaluate_first:
            self.progress.evaluate_first = False
            self.trainer.evaluate()
            self.progress.finished |= state.global_step >= state.max_steps
            if self.progress.finished:
                raise FinishedError
        self.trainer.shorten()
        self._say_training(state)
        self._logged_at = time.monotonic() - self._paused
        self.trainer.take_waited()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not self._speeds:
            self._speeds.append((time.monotonic() - self._paused, self.progress.tokens))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.trainer.check_numbers()
        self.trainer.check_saved()
        step = self._report.step = state.global_step
        own = self.trainer.take_tokens(), self._stopping.asked(), self._too_much_unsaved(state)
        every = self._group.gather(own)
        _, self.stop, too_much = every[0]  # rank 0 hears the signals and looks at the clock
        self.progress.tokens += sum(tokens for tokens, _, _ in every)
        self._speeds.append((time.monotonic() - self._paused, self.progress.tokens))
        last = step >= state.max_steps
        evaluates = self._evaluates and (last or step % self._evaluate_every == 0)
        due = evaluates or last or step % self._every == 0  # the best weights must be there to go back to
        urgent = self.stop is not None and self.stop.state == "preempted"
        self.progress.evaluate_first = evaluates and urgent
        self.progress.finished = last and not self.progress.evaluate_first
        control.should_evaluate = evaluates and not urgent
        control.should_save = due or self.stop is not None or too_much
        if self.stop is not None and not self.stop.saves:
            control.should_evaluate = control.should_save = False
        control.should_training_stop = last or self.stop is not None
        self._tell_memory(step)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._patience and self.progress.misses >= self._patience and not self.progress.finished:
            self.progress.finished = True
            best = f"{self._written(self.progress.best_rank, self.progress.best_loss)} at step "
            best += f"{self.progress.best_step}"
            if self.progress.beats_base:
                said = f"the best was {best}"
                fix = "the best checkpoint is the result; fewer epochs or a lower learning rate may do better"
            else:
                base = self._written(self.progress.base_rank, self.progress.base_loss)
                extreme = "highest" if self.best_by.higher else "lowest"
                said = f"none was better than the base model's {base} ({extreme}: {best})"
                fix = "compare the settings with the plan's, and check the rows with `tuiftune data inspect`"
            self._report.warning(
                "early_stop",
                f"{self.best_by.name} has not improved for {self.progress.misses} evaluations; {said}",
                fix,
            )
        if self.progress.finished:
            control.should_save = control.should_training_stop = True

    def _written(self, rank: float | None, loss: float | None) -> str:
        """The value of the metric that chooses the best checkpoint."""
        value = loss if rank is None else self.best_by.rank(rank)
        return "unknown" if value is None else f"{value:.4f}"

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Any = None,
        **kwargs: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        own = {
            "tokens": self.progress.tokens,
            "tokens_per_second": self._speed(),
            "epoch": state.epoch,
            "data_wait": self._data_wait(),
        }
        self._report.emit("step", step=state.global_step, **(metrics.forwarded(logs) | own))
        self._judge_divergence(state, control, logs["loss"])

    def _judge_divergence(self, state: TrainerState, control: TrainerControl, loss: float) -> None:
        """Stop before the evaluation and the checkpoint of a step at which the patience ends."""
        divergence = self.progress.divergence
        divergence.take(state.global_step, loss)
        most = patience(self._divergence_patience, state.max_steps)
        if not most or divergence.high < most or self.stop is not None:
            return
        self.diverged = DivergedError(self._how_diverged(self._risen(divergence)))
        control.should_evaluate = control.should_save = False
        control.should_training_stop = True

    def explained(self, fault: NotANumberError) -> Exception:
        """Return the divergence of which a number that isn't one is the end; the fault itself if it isn't."""
        fast = self._usual_rate is not None and self._rate > FAR_ABOVE * self._usual_rate
        if self._divergence_patience == 0 or not (fast or self.progress.divergence.since is not None):
            return fault
        self.diverged = DivergedError(self._how_diverged(str(fault)))
        return self.diverged

    def _risen(self, divergence: Divergence) -> str:
        seen = f"training loss {divergence.level or math.nan:.4g}"
        began = self.progress.base_loss if self.progress.base_loss is not None else divergence.start[0]
        if divergence.lowest_level is not None and divergence.lowest_level < began:
            seen += f" after {divergence.lowest_level:.4g} at its lowest"
        else:
            seen += f", {began:.4g} at the beginning"
        return seen

    def _how_diverged(self, seen: str) -> str:
        rate = lower_rate(self._rate, self._usual_rate)
        step = self.progress.go_on_from
        where = "the base model" if step is None else f"the checkpoint of step {step}"
        return (
            f"diverged at a learning rate of {short(self._rate)}: {seen}. Try {short(rate)}: "
            f"`tuiftune resume {self._run} --set training.learning_rate={short(rate)}` continues from {where}"
        )

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not control.should_training_stop:
            self._say_training(state)

    def _say_training(self, state: TrainerState) -> None:
        detail = "the first step compiles the layers" if self._compiles and not self._speeds else ""
        self._report.phase("training", detail, done=state.global_step, total=state.max_steps)

    def _data_wait(self) -> float | None:
        """The share of the time since the last step, or the beginning, that went into waiting for rows."""
        now, waited = time.monotonic() - self._paused, self.trainer.take_waited()
        before, self._logged_at = self._logged_at, now
        if now <= before:
            return None
        return round(min(1.0, waited / (now - before)), 3)

    def _speed(self) -> float | None:
        (began, before), (now, after) = self._speeds[0], self._speeds[-1]
        return round((after - before) / (now - began), 2) if now > began else None

    def _too_much_unsaved(self, state: TrainerState) -> bool:
        """Return True if a kill within the next step could cost more than 5 minutes or 2% of the run.

        The plan chose `run.save_every` from the predicted speed; this uses the measured time.
        """
        step = self._step_seconds()
        share = cost.LOST_SHARE * TOLERANCE * state.max_steps * step
        most = min(cost.LOST_SECONDS, max(cost.SHORTEST_INTERVAL, share))
        return time.monotonic() + step - self._saved_at > max(most, self._save_took / cost.SAVING_SHARE)

    def _step_seconds(self) -> float:
        (began, _), (now, _) = self._speeds[0], self._speeds[-1]
        return (now - began) / max(1, len(self._speeds) - 1)

    def _tell_memory(self, step: int) -> None:
        now = time.monotonic()
        if step > FIRST_STEPS and now - self._memory_at < MEMORY_EVERY:
            return
        self._memory_at = now
        self._report.emit("memory", **memory_of(self._device), **self._predicted)
