"""One training run, top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.engine.distributed.group import Group
from tuiftune.engine.export import result
from tuiftune.engine.process import libraries
from tuiftune.engine.training import rows
from tuiftune.engine.training.opening import open_run

if TYPE_CHECKING:
    from tuiftune.engine.evaluation.contenders import ModelContender
    from tuiftune.engine.evaluation.score import Score, Scorer
    from tuiftune.engine.process.ground import Ground
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.engine.training.trainer import RunTrainer
    from tuiftune.runs.store.directory import RunDir

KEPT_SCORE = ".before.json"
MOST_UNDONE = 0.1  # of the gain in eval loss, by rounding the weights, that isn't warned of


def train(
    run: RunDir,
    report: Report,
    stopping: Stopping,
    *,
    resume: bool,
    force: bool,
    group: Group | None = None,
    ground: Ground | None = None,
) -> None:
    """Train a run to its result, as one of the group's processes, or alone.

    Raises StoppedError, NotANumberError, UserError or what the libraries raise.
    """
    group = group or Group()
    context = open_run(run, report, stopping, group, resume=resume, force=force, ground=ground)
    with libraries.quickly():
        from tuiftune.engine.training.assembly import assemble, plain_model

    trainer, preflight = assemble(context)
    _say_processes(context)
    _say_start(context, trainer)
    stopping.check()

    from tuiftune.engine.evaluation.contenders import AFTER, BEFORE, ModelContender
    from tuiftune.engine.evaluation.samples import Samples
    from tuiftune.engine.evaluation.score import Scorer
    from tuiftune.engine.export.conclude import conclude
    from tuiftune.engine.training import base_in_fp8
    from tuiftune.engine.training.fitting import fit, take_best
    from tuiftune.evaluate.best_by import LOSS

    base_in_fp8.compare(context, trainer)
    if context.wanted.fp8_compute:
        from tuiftune.engine.training import products_in_fp8

        products_in_fp8.compare(context, trainer)
    scorer = Scorer(context)
    tuned = ModelContender(context, trainer, AFTER, scorer.room)
    before = _score_before(context, scorer, ModelContender(context, trainer, BEFORE, scorer.room))
    by = context.best_by
    value = by.of(before.measured, scorer.pairs(before.answers)) if by.key != LOSS else None
    rank = None if value is None else by.rank(value)
    trainer.rhythm.progress.judge_base(before.loss, trainer.held_out_parts, rank)
    trainer.pairs = lambda: scorer.pairs(tuned.during(scorer.questions))
    samples = None
    if group.leads or trainer.shared:  # which has the whole model, or what all have to make the calls for
        samples = Samples(context, scorer, tuned)
        samples.begin(before)
        trainer.after_evaluation = samples.take
    fit(context, trainer, preflight)
    take_best(context, trainer)
    if not context.wanted.adapted:  # what is scored is what is written
        result.round_to(trainer.model, trainer.written_in)
    after = scorer.score(tuned, trainer.state.global_step)
    if not context.wanted.adapted:
        _tell_of_rounding(context, trainer, after)
    if trainer.shared:
        report.phase("exporting", "gathering the model")
        plain = plain_model(context) if group.leads else None
        trainer.consolidate(plain, adapted=context.wanted.adapted)
    group.part()
    if samples is not None and group.leads:
        samples.finish(after, trainer.state.global_step)
        conclude(context, trainer, scorer, before, after)


def _tell_of_rounding(context: RunContext, trainer: RunTrainer, after: Score) -> None:
    """Warn where writing the weights in the base model's type undid much of what training gained."""
    progress = trainer.rhythm.progress
    base, best, written = progress.base_loss, progress.best_loss, after.loss
    if base is None or best is None or written is None or best >= base:
        return
    undone = (written - best) / (base - best)
    if trainer.rhythm.result_step == progress.best_step and undone > MOST_UNDONE:
        share = f"{min(undone, 1.0):.0%}"
        context.report.warning(
            "rounded",
            f"rounding the weights to {trainer.written_in} undid {share} of the gain in eval loss",
            "set method.result_dtype to float32, which keeps every update (larger files); or raise "
            "training.learning_rate, or train for more steps: updates were smaller than the rounding",
        )


def _score_before(context: RunContext, scorer: Scorer, base: ModelContender) -> Score:
    """The base model's score: measured at the beginning of the run, kept for its later processes."""
    from tuiftune.engine.evaluation import score

    path, group = context.run.result_path / KEPT_SCORE, context.group
    again = context.start.checkpoint is not None and group.leads
    kept = score.saved(path, len(scorer.questions)) if again else None
    if kept := group.first(kept):
        return kept
    before = scorer.score(base, 0)
    if group.leads:
        score.save(before, path)
    return before


def _say_processes(context: RunContext) -> None:
    """Tell that a run goes on with another number of processes, which a resume has asked for."""
    then = context.start.saved.get("fingerprint", {}).get("processes")
    now = context.group.size
    if then is not None and then != now:
        context.report.warning(
            "processes_changed",
            f"the run continues with {now} processes instead of {then}: each step has the same rows, but "
            "losses differ by rounding and by dropout",
            "resume it with the same number to repeat it exactly",
        )


def _say_start(context: RunContext, trainer: RunTrainer) -> None:
    from tuiftune.engine.process.gpu import memory_of, name_of

    report, wanted, checkpoint = context.report, context.wanted, context.start.checkpoint
    report.step = checkpoint.step if checkpoint else 0
    report.emit(
        "start",
        run=context.run.name,
        model=context.base.reference,
        technique=wanted.technique,
        total_steps=trainer.args.max_steps,
        epochs=float(wanted.preset.training.epochs),
        rows_train=context.training.rows,
        rows_eval=context.rows_held_out,
        rows_leaked=rows.leaked(context.training, context.held_out),
        trainable=trainer.trainable,
        parameters=trainer.parameters,
        device=name_of(context.device),
        processes=trainer.group.size,
        resumed_from=checkpoint.step if checkpoint else None,
        predicted_seconds=wanted.predicted_seconds,
        **(
            {"best_by": context.best_by.key, "best_higher": context.best_by.higher}
            if context.best_by.scorer is not None or context.best_by.higher
            else {}
        ),
    )
    report.emit("memory", **memory_of(context.device), **wanted.predictions)
