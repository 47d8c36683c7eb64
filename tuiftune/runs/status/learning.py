"""What a run learns: losses, learning rate, gradient norm, answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuiftune.figures import percent, short
from tuiftune.runs.state.narrate import figure
from tuiftune.runs.status.fact import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiftune.plan.planned import Planned
    from tuiftune.runs.state.run_state import RunState


def facts(state: RunState, planned: Planned) -> Iterator[Fact]:
    """Each figure of the moment."""
    if state.smooth_loss is not None:
        yield Fact(
            "learning",
            "training loss",
            f"{figure(state.smooth_loss)} smoothed, {figure(state.loss)} the last step",
            "mean negative log-likelihood per trained token, in nats, on the rows of this step. Smoothed "
            "over 2% of the run, because single steps vary with their rows",
        )
    latest = next((seen for seen in reversed(state.evaluations) if seen.loss is not None), None)
    if latest is not None:
        before = state.eval_before
        was = f", {figure(before.loss)} base model" if before is not None and before is not latest else ""
        yield Fact(
            "learning",
            "eval loss",
            f"{figure(latest.loss)} at step {latest.step:,}{was}",
            "the same on the evaluation set, which is never trained on. If it rises while the training "
            "loss falls, the model is overfitting",
        )
    if state.best is not None:
        base = state.best is state.eval_before
        where = "the base model" if base else f"step {state.best.step:,}"
        kept = "no checkpoint is better yet" if base else "its checkpoint is kept and becomes the result"
        extreme = "the best by evaluation.best_by" if state.best_words else "the lowest eval loss"
        yield Fact(
            "learning",
            "best",
            f"{state.best_words or figure(state.best.loss)} ({where}), "
            f"perplexity {figure(state.best.perplexity)}",
            f"{extreme} so far, the base model's included; {kept}. Perplexity is exp(loss): "
            "the number of tokens that the model is undecided between",
        )
    if (rate := state.values.get("lr")) is not None:
        yield Fact(
            "learning",
            "learning rate",
            short(rate, 3),
            "the current learning rate, set at each step by training.schedule and the warmup",
        )
    if state.values.get("grad_norm") is not None:
        clip = planned.max_grad_norm
        clipped = f"; it is clipped at {clip:g}" if clip else ""
        yield Fact(
            "learning",
            "gradient norm",
            figure(state.values.get("grad_norm")),
            f"norm of the gradient before clipping{clipped}. It should stay in a "
            "small range; jumps point to unusual rows or a learning rate that is too high",
        )
    for score, when in ((state.score_before, "before"), (state.score_after, "after")):
        if score is not None and score.rows and score.matched is not None:
            spread = 1.96 * math.sqrt(0.25 / score.rows)
            yield Fact(
                "learning",
                f"exact match {when}",
                f"{percent(score.exact_match)}, {score.matched:,} of {score.rows:,}",
                f"generated answers equal to their reference except for white space; on {score.rows:,} rows "
                f"chance alone changes it by up to {percent(spread)}",
            )
