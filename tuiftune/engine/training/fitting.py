"""The training itself: to its end, to a stop, or to another micro batch; then back to the best weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import set_seed

from tuiftune.engine.process.faults import NotANumberError
from tuiftune.engine.process.gpu import forget_peaks
from tuiftune.engine.process.stopping import PausedError, StoppedError
from tuiftune.engine.training.callback import FinishedError
from tuiftune.engine.training.preflight import ResizeError
from tuiftune.runs.store.checkpoints import fault_of
from tuiftune.runs.store.diverged import Noted, note

if TYPE_CHECKING:
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.engine.training.preflight import Preflight
    from tuiftune.engine.training.trainer import RunTrainer


def fit(context: RunContext, trainer: RunTrainer, preflight: Preflight | None) -> None:
    """Train. Raises StoppedError, DivergedError (noted in the run), PausedError or
    NotANumberError.
    """
    rhythm = trainer.rhythm
    try:
        _fit(context, trainer, preflight)
    except NotANumberError as fault:
        if rhythm.explained(fault) is fault:
            raise
    except PausedError:
        if context.group.size == 1:
            trainer.save_before_pause()
        raise
    finally:
        trainer.check_saved(last=True)
    context.group.meet()  # every process sees the checkpoints that one has sealed
    if rhythm.diverged is not None:
        if context.group.leads:
            note(context.run, Noted(rhythm.progress.go_on_from, str(rhythm.diverged)))
        raise rhythm.diverged
    if rhythm.stop is not None:
        raise StoppedError(rhythm.stop)


def _fit(context: RunContext, trainer: RunTrainer, preflight: Preflight | None) -> None:
    trainer.when = "during"
    checkpoint, progress = context.start.checkpoint, trainer.rhythm.progress
    if checkpoint is not None and progress.finished:
        trainer.load_weights(checkpoint.path)
        trainer.state.global_step = checkpoint.step
        return
    resize: ResizeError | None = None
    set_seed(context.wanted.preset.training.seed)
    forget_peaks(trainer.args.device.type)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)
    except FinishedError:
        trainer.is_in_train = False
        return
    except ResizeError as wanted_rows:
        resize = wanted_rows.with_traceback(None)  # whose frames hold what is to be freed
    if resize is not None and preflight is not None:
        preflight.resize(trainer, resize)
        return _fit(context, trainer, preflight)
    halted = trainer.rhythm.stop is not None or trainer.rhythm.diverged is not None
    if not halted and not progress.finished:
        raise RuntimeError(f"training ended at step {trainer.state.global_step} of {trainer.args.max_steps}")


def take_best(context: RunContext, trainer: RunTrainer) -> None:
    """Go back to the weights with the lowest eval loss while training, unless those are the last ones.

    If the base model's is lower still, the result says so: the trained weights are kept in any case.
    """
    progress, group = trainer.rhythm.progress, context.group
    best = progress.best_step
    trainer.rhythm.result_step = trainer.state.global_step
    if best is None or best == trainer.state.global_step:
        return
    checkpoint = next((one for one in context.store.all() if one.step == best), None)
    why = "it is missing" if checkpoint is None else fault_of(checkpoint) if group.leads else None
    checkpoint, why = group.first((checkpoint, why))
    if checkpoint is None or why:
        context.report.warning(
            "best_lost",
            f"the best checkpoint (step {best}) cannot be used: {why}",
            "the last one is the result",
        )
        progress.best_step = trainer.state.global_step
        return
    context.report.phase("exporting", f"loading the best weights, of step {best}")
    trainer.load_weights(checkpoint.path)
    trainer.rhythm.result_step = best
