"""What a run learns: losses, learning rate, gradient norm, answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuiftune.figures import percent
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
            "mean negative log-likelihood of a learnt token, in nats, on the rows just trained on. Smoothed "
            "over 2 % of the run, as single steps jump with their rows",
        )
    latest = next((seen for seen in reversed(state.evaluations) if seen.loss is not None), None)
    if latest is not None:
        before = state.eval_before
        was = f", {figure(before.loss)} untuned" if before is not None and before is not latest else ""
        yield Fact(
            "learning",
            "held-out loss",
            f"{figure(latest.loss)} at step {latest.step:,}{was}",
            "the same on rows that are never trained on: what counts. Where it rises while the training "
            "loss falls, rows are learnt by heart",
        )
    if state.best is not None:
        base = state.best is state.eval_before
        where = "the base model" if base else f"step {state.best.step:,}"
        kept = "no checkpoint is better yet" if base else "its checkpoint is kept and becomes the result"
        yield Fact(
            "learning",
            "best",
            f"{figure(state.best.loss)} ({where}), perplexity {figure(state.best.perplexity)}",
            f"the lowest eval loss so far, the base model's included; {kept}. Perplexity is exp(loss): "
            "between how many tokens the model hesitates",
        )
    if state.values.get("lr") is not None:
        yield Fact(
            "learning",
            "learning rate",
            f"{state.values.get('lr'):.3g}",
            "how far a step goes; training.schedule and its warm-up set it anew at every step",
        )
    if state.values.get("grad_norm") is not None:
        clip = planned.max_grad_norm
        clipped = f"; beyond {clip:g} it is scaled down to that" if clip else ""
        yield Fact(
            "learning",
            "gradient norm",
            figure(state.values.get("grad_norm")),
            f"how strongly this batch pulls at the weights, before clipping{clipped}. It should stay in a "
            "small range; jumps mean odd rows or too high a learning rate",
        )
    for score, when in ((state.score_before, "before"), (state.score_after, "after")):
        if score is not None and score.rows and score.matched is not None:
            spread = 1.96 * math.sqrt(0.25 / score.rows)
            yield Fact(
                "learning",
                f"right {when}",
                f"{percent(score.exact_match)}, {score.matched:,} of {score.rows:,}",
                f"generated answers that equal their reference but for white space; on {score.rows:,} rows "
                f"chance alone moves it by up to {percent(spread)}",
            )
