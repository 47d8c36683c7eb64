"""The end of a run: its model, its numbers, and how they compare with the base model's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tuiftune.data.mix.split import as_share
from tuiftune.data.similar.twins import twins
from tuiftune.engine.export import result
from tuiftune.engine.model import base as bases
from tuiftune.engine.process.gpu import name_of
from tuiftune.engine.techniques import applied
from tuiftune.engine.training import base_in_fp8, settings
from tuiftune.evaluate.best_by import LOSS
from tuiftune.runs import health, provenance
from tuiftune.runs.reports.verdict import HOLD_OUT, ONE_PROMPT, Verdict, compare
from tuiftune.runs.state.follow import Follower

if TYPE_CHECKING:
    from tuiftune.engine.evaluation.score import Score, Scorer
    from tuiftune.engine.training.opening import RunContext
    from tuiftune.engine.training.trainer import RunTrainer


def conclude(context: RunContext, trainer: RunTrainer, scorer: Scorer, before: Score, after: Score) -> None:
    """Write the result; `result.json` comes last."""
    context.report.phase("exporting", "model")
    run, wanted, examples = context.run, context.wanted, context.examples
    progress, count = trainer.rhythm.progress, context.rows_held_out
    trainer.rhythm.snapshot()
    side_by_side = scorer.side_by_side(before, after)
    scores = before.document(count), after.document(count)
    matched = [
        (row["matched_before"], row["matched_after"]) for row in side_by_side if "matched_before" in row
    ]
    pairs = matched or list(zip(before.ranked, after.ranked, strict=False))
    document = {
        "schema": "tuiftune/result@1",
        "before": scores[0],
        "after": scores[1]
        | {
            "leakage": twins(examples.train, examples.held_out).document(),
            "loss_parts": [list(part) for part in trainer.held_out_parts],
        },
        "verdict": _verdict(context, trainer, scores, pairs).document(),
        "best_step": progress.best_step if progress.beats_base or progress.best_step is None else 0,
        "result_step": trainer.rhythm.result_step,
        **_best_by(context, trainer),
        "steps": trainer.state.global_step,
        "total_steps": trainer.args.max_steps,  # more than were made where the run stopped early
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
        "base_files": trainer.base_files,
        "preflight": settings.preflight_of(run.path / settings.PREFLIGHT) or None,
        "provenance": provenance.of_result(
            run.planned().document.get("provenance") or {},
            bases.files_of(context.base),
            context.tokenizer.template.source if context.tokenizer.own_template else None,
            wanted.preset.training.seed,
        ),
    }
    if losses := base_in_fp8.losses(run.path):
        document["base_losses"] = losses
    facts = {
        "files": examples.files,
        "format": examples.format,
        "rows_train": context.training.rows,
        "rows_eval": count,
        "device": name_of("cuda" if trainer.args.device.type == "cuda" else "cpu"),
    }
    text = result.card(wanted, context.base, document, facts)
    result.save_model(
        trainer.model,
        trainer.processing_class,
        run.result_path,
        text,
        stops=context.tokenizer.stop_tokens(),
        dtype=trainer.written_in,
        config=None if wanted.adapted else bases.config_of(context.base),
        write=partial(applied(wanted.technique).save, trainer.model),
    )
    result.save_numbers(run.result_path, document, side_by_side, text)
    if side_by_side:
        path = run.result_path / "samples.jsonl"
        context.report.emit(
            "samples", step=trainer.state.global_step, when="after", file=str(path), count=len(side_by_side)
        )


def _best_by(context: RunContext, trainer: RunTrainer) -> dict[str, Any]:
    """The metric that the best checkpoint was chosen by, where that is not the eval loss."""
    by, rank = context.best_by, trainer.rhythm.progress.best_rank
    if by.key == LOSS:
        return {}
    follower = Follower(context.run)
    follower.refresh()
    course = [[seen.step, seen.value] for seen in follower.state.evaluations if seen.value is not None]
    return {"best_by": by.key, "best_value": None if rank is None else by.rank(rank), "course": course}


def _verdict(
    context: RunContext,
    trainer: RunTrainer,
    scores: tuple[dict[str, Any], ...],
    pairs: list[tuple[bool, bool]],
) -> Verdict:
    """Compare the result with the base model; what to try comes from how the run went."""
    follower = Follower(context.run)
    follower.refresh()
    return compare(
        *scores,
        parts=(trainer.rhythm.progress.base_parts, trainer.held_out_parts),
        pairs=pairs,
        fix=health.what_to_try(follower.state, context.run.planned()),
        hold_out=ONE_PROMPT if as_share(context.wanted.preset.data.eval) else HOLD_OUT,
    )
