"""One training run, top to bottom."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tuiftune.data.chat.words import remarks
from tuiftune.engine.distributed.group import Group
from tuiftune.engine.export import result
from tuiftune.engine.model import base as bases
from tuiftune.engine.model import foreign
from tuiftune.engine.process import imports
from tuiftune.engine.process.faults import NotANumberError
from tuiftune.engine.techniques import applied
from tuiftune.engine.training import checkpoints, rows, settings
from tuiftune.engine.training.resume import Resume, resume_point, say_changes
from tuiftune.runs import health
from tuiftune.runs.reports.verdict import Verdict, compare
from tuiftune.runs.state.follow import Follower
from tuiftune.runs.store.diverged import Noted, note

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiftune.engine.evaluation.samples import Samples
    from tuiftune.engine.evaluation.score import Score, Scorer
    from tuiftune.engine.model.base import Base
    from tuiftune.engine.model.tokenizer import Tokeniser
    from tuiftune.engine.process.ground import Ground
    from tuiftune.engine.process.report import Report
    from tuiftune.engine.process.stopping import Stopping
    from tuiftune.engine.training.callback import Progress
    from tuiftune.engine.training.rows import Examples, Prepared
    from tuiftune.engine.training.settings import Settings
    from tuiftune.engine.training.trainer import RunTrainer
    from tuiftune.runs.store.directory import RunDir

BEFORE = ".before.json"


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
    report.phase("loading", "settings")
    wanted = settings.read(run)
    base = bases.find(wanted)
    store = checkpoints.Store(run.checkpoints_path, int(wanted.preset.run.checkpoints), wanted.processes)
    store.ground = ground
    start = resume_point(run, store, report, resume, force) if group.leads else Resume(None, {})
    if group.leads:
        say_changes(run, start, report)
    stopping.limit(wanted.preset.budget, wanted.usd_per_hour, float(start.saved.get("spent", 0.0)))
    examples = rows.load(wanted.preset, report, stopping.check)

    report.phase("loading", "libraries")
    imports.leave_out(wanted, base)
    with imports.quickly():
        from tuiftune.engine.distributed.ranks import MEETING_PLACE
        from tuiftune.engine.model import tokenizer
        from tuiftune.engine.process import gpu, quiet
        from tuiftune.engine.training import optimizations

        gpu.show_only(wanted.preset.hardware.gpus, wanted.processes)
        quiet.libraries(base)
    data = wanted.preset.data

    def make() -> Tokeniser:
        return tokenizer.Tokeniser(
            bases.load_tokenizer(base),
            max_length=data.max_length,
            loss_on=data.loss_on,
            place=base.reference,
            base_stops=bases.stop_ids(base),
            now=_began(run),
        )

    training, held_out = _prepared(base, make, examples, data.max_length, report, stopping)
    device = bases.choose_device(wanted)
    group.join(device, run.control_path / MEETING_PLACE)
    start = group.first(start)
    if device == "cuda":
        gpu.keep_within(wanted.preset.hardware.memory_limit_bytes)
    optimizations.check(wanted, device)
    tokeniser = make()
    _say_template(tokeniser, report)
    stopping.check()

    with imports.quickly():
        from tuiftune.engine.training.assembly import assemble

    trainer = assemble(
        wanted,
        base,
        tokeniser.tokenizer,
        training,
        held_out,
        device,
        store,
        start,
        report,
        stopping,
        group,
        force,
    )
    progress = trainer.rhythm.progress
    _say_start(run, wanted, base, trainer, training, held_out, device, start, report)
    stopping.check()

    from tuiftune.engine.evaluation.score import Scorer

    scorer = Scorer(wanted, examples.held_out, tokeniser, report, stopping.check, group)
    before = _score_before(run, scorer, trainer, start, group)
    progress.judge_base(before.loss, trainer.held_out_parts)
    samples = _samples(run, wanted, scorer, before, tokeniser, trainer, report, stopping)
    try:
        _fit(trainer, start, progress, wanted)
    except NotANumberError as fault:
        if trainer.rhythm.explained(fault) is fault:
            raise
    if trainer.rhythm.diverged is not None:
        if group.leads:
            note(run, Noted(progress.go_on_from, str(trainer.rhythm.diverged)))
        raise trainer.rhythm.diverged
    if trainer.rhythm.stop is not None:
        from tuiftune.engine.process.stopping import StoppedError

        raise StoppedError(trainer.rhythm.stop)
    _take_best(trainer, store, progress, report, group)
    if not wanted.adapted:  # what is scored is what is written
        result.round_to(trainer.model, trainer.written_in)
    after = scorer.score(trainer, "after")
    group.part()
    if not group.leads or samples is None:
        return
    samples.finish(after, trainer.state.global_step)
    _export(
        run, wanted, base, trainer, examples, (training, held_out), tokeniser, scorer, before, after, report
    )


def _prepared(
    base: Base,
    make: Callable[[], Tokeniser],
    examples: Examples,
    max_length: int,
    report: Report,
    stopping: Stopping,
) -> tuple[Prepared, Prepared | None]:
    """The rows for training and the held-out ones, tokenised behind the fence."""
    report.phase("loading", "tokenizer")
    named = {"training": examples.train, "held-out": examples.held_out}
    with closing(foreign.behind_fence(base, make, named)) as asked:

        def prepare(which: str) -> Prepared | None:
            given = named[which]
            made = partial(rows.prepare, given, asked, report, stopping.check)
            return made(which=which, max_length=max_length) if given else None

        training, held_out = prepare("training"), prepare("held-out")
        for start in range(0, len(examples.held_out), rows.BATCH):
            stopping.check()
            foreign.tried(asked, "held-out", examples.held_out, start, start + rows.BATCH)
    assert training is not None  # `rows.load` refuses data without
    return training, held_out


def _say_template(tokeniser: Any, report: Report) -> None:
    if not tokeniser.own_template:
        report.warning(
            "no_chat_template",
            "the base model has no chat template; a plain one is used and saved with the result",
            "use an instruct model if you need its own format",
        )
    for remark in remarks(tokeniser):
        report.warning(remark.code, remark.message, remark.remedy)


def _began(run: RunDir) -> datetime | None:
    """When the run was first started: the date that a template writes into its rows, on whatever day it is
    resumed.
    """
    from tuiftune.runs.log.event_log import first_and_last
    from tuiftune.runs.state.readings import number

    began = next((number(event, "t") for event in first_and_last(run.events_path)), None)
    return None if began is None else datetime.fromtimestamp(began)


def _say_start(
    run: RunDir,
    wanted: Settings,
    base: Base,
    trainer: RunTrainer,
    training: Prepared,
    held_out: Prepared | None,
    device: str,
    start: Resume,
    report: Report,
) -> None:
    from tuiftune.engine.process.gpu import memory_of, name_of

    report.step = start.checkpoint.step if start.checkpoint else 0
    report.emit(
        "start",
        run=run.name,
        model=base.reference,
        technique=wanted.technique,
        total_steps=trainer.args.max_steps,
        epochs=float(wanted.preset.training.epochs),
        rows_train=training.rows,
        rows_eval=held_out.rows if held_out else 0,
        rows_leaked=rows.leaked(training, held_out),
        trainable=trainer.trainable,
        parameters=trainer.parameters,
        device=name_of(device),
        processes=trainer.group.size,
        resumed_from=start.checkpoint.step if start.checkpoint else None,
        predicted_seconds=wanted.predicted_seconds,
    )
    report.emit("memory", **memory_of(device), **wanted.predictions)


def _score_before(run: RunDir, scorer: Scorer, trainer: RunTrainer, start: Resume, group: Group) -> Score:
    """The untuned model's score: measured at the beginning of the run, kept for its later processes."""
    from tuiftune.engine.evaluation import score

    path = run.result_path / BEFORE
    kept = score.saved(path, len(scorer.questions)) if start.checkpoint and group.leads else None
    if kept := group.first(kept):
        return kept
    before = scorer.score(trainer, "before", untuned=True)
    if group.leads:
        score.save(before, path)
    return before


def _samples(
    run: RunDir,
    wanted: Settings,
    scorer: Scorer,
    before: Score,
    tokeniser: Any,
    trainer: RunTrainer,
    report: Report,
    stopping: Stopping,
) -> Samples | None:
    """What answers a few rows at each evaluation; on rank 0 alone, which has the whole model."""
    from tuiftune.engine.evaluation.samples import Samples

    if not trainer.group.leads:
        return None
    count = wanted.preset.evaluation.samples
    trainer.samples = Samples(scorer, tokeniser, report, stopping.asked, run.path, count=count)
    trainer.samples.begin(before)
    return trainer.samples


def _fit(trainer: RunTrainer, start: Resume, progress: Progress, wanted: Settings) -> None:
    from transformers import set_seed

    from tuiftune.engine.process.gpu import forget_peaks
    from tuiftune.engine.training.callback import FinishedError
    from tuiftune.engine.training.preflight import ResizeError

    trainer.when = "during"
    checkpoint = start.checkpoint
    if checkpoint is not None and progress.finished:
        trainer.load_weights(checkpoint.path)
        trainer.state.global_step = checkpoint.step
        return
    resize: ResizeError | None = None
    set_seed(wanted.preset.training.seed)
    forget_peaks(trainer.args.device.type)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)
    except FinishedError:
        trainer.is_in_train = False
        return
    except ResizeError as wanted_rows:
        resize = wanted_rows.with_traceback(None)  # whose frames hold what is to be freed
    if resize is not None and trainer.rhythm.preflight is not None:
        trainer.rhythm.preflight.resize(trainer, resize)
        return _fit(trainer, start, progress, wanted)
    halted = trainer.rhythm.stop is not None or trainer.rhythm.diverged is not None
    if not halted and not progress.finished:
        raise RuntimeError(f"training ended at step {trainer.state.global_step} of {trainer.args.max_steps}")


def _take_best(
    trainer: RunTrainer, store: checkpoints.Store, progress: Progress, report: Report, group: Group
) -> None:
    """Go back to the weights with the lowest eval loss while training, unless those are the last ones.

    Where the base model's is lower still, the verdict says so: a result without what was trained is none.
    """
    best = progress.best_step
    trainer.rhythm.result_step = trainer.state.global_step
    if best is None or best == trainer.state.global_step:
        return
    checkpoint = next((one for one in store.all() if one.step == best), None)
    why = "it is gone" if checkpoint is None else checkpoints.fault_of(checkpoint) if group.leads else None
    checkpoint, why = group.first((checkpoint, why))
    if checkpoint is None or why:
        report.warning(
            "best_lost",
            f"the best checkpoint (step {best}) can't be used: {why}",
            "the last one is the result",
        )
        progress.best_step = trainer.state.global_step
        return
    report.phase("exporting", f"taking the best weights, of step {best}")
    trainer.load_weights(checkpoint.path)
    trainer.rhythm.result_step = best


def _verdict(
    run: RunDir, trainer: RunTrainer, scores: tuple[dict[str, Any], ...], rows: list[dict[str, Any]]
) -> Verdict:
    """Compare the result with the base model; what to try comes from how the run went."""
    follower = Follower(run)
    follower.refresh()
    return compare(
        *scores,
        parts=(trainer.rhythm.progress.base_parts, trainer.held_out_parts),
        pairs=[(row["matched_before"], row["matched_after"]) for row in rows],
        fix=health.what_to_try(follower.state, run.planned()),
    )


def _export(
    run: RunDir,
    wanted: Settings,
    base: Base,
    trainer: RunTrainer,
    examples: Examples,
    prepared: tuple[Prepared, Prepared | None],
    tokeniser: Any,
    scorer: Scorer,
    before: Score,
    after: Score,
    report: Report,
) -> None:
    from tuiftune.data.similar.twins import twins
    from tuiftune.engine.process.gpu import name_of

    report.phase("exporting", "model")
    progress = trainer.rhythm.progress
    trainer.rhythm.snapshot()
    training, held_out = prepared
    count = held_out.rows if held_out else 0
    side_by_side = scorer.side_by_side(before, after)
    scores = before.document(count), after.document(count)
    document = {
        "before": scores[0],
        "after": scores[1] | {"leakage": twins(examples.train, examples.held_out).document()},
        "verdict": _verdict(run, trainer, scores, side_by_side).document(),
        "best_step": progress.best_step if progress.beats_base or progress.best_step is None else 0,
        "result_step": trainer.rhythm.result_step,
        "steps": trainer.state.global_step,
        "seconds": round(progress.seconds, 1),
        "tokens": progress.tokens,
        "samples": [
            {key: row[key] for key in ("prompt", "reference", "before", "after")}
            for row in side_by_side[: wanted.preset.evaluation.samples]
        ],
        "model": str(run.result_path / "model"),
        "technique": wanted.technique,
        "trainable": trainer.trainable,
        "parameters": trainer.parameters,
        "preflight": settings.preflight_of(run.path / settings.PREFLIGHT) or None,
    }
    facts = {
        "files": examples.files,
        "format": examples.format,
        "rows_train": training.rows,
        "rows_eval": count,
        "device": name_of("cuda" if trainer.args.device.type == "cuda" else "cpu"),
    }
    text = result.card(wanted, base, document, facts)
    result.save_model(
        trainer.model,
        trainer.processing_class,
        run.result_path,
        text,
        stops=tokeniser.stop_tokens(),
        dtype=trainer.written_in,
        config=None if wanted.adapted else bases.config_of(base),
        write=partial(applied(wanted.technique).save, trainer.model),
    )
    result.save_numbers(run.result_path, document, side_by_side, text)
    if side_by_side:
        path = run.result_path / "samples.jsonl"
        report.emit(
            "samples", step=trainer.state.global_step, when="after", file=str(path), count=len(side_by_side)
        )
