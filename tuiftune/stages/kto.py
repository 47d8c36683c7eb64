"""Kahneman-Tversky optimization: single answers, each judged good or bad."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tuiftune import sources
from tuiftune.options import Option
from tuiftune.stages.base import AdapterRate, Stage
from tuiftune.stages.options import BETA
from tuiftune.techniques.base import Fact

JUDGED = frozenset({"kto"})
Weight = Annotated[float, Field(gt=0, le=100)]


def _weight(of: str) -> Option:
    return Option(
        f"{of}_weight",
        Weight,
        1.0,
        f"weight of the loss on {of} answers; if there are more of one kind, weigh the other one up, so that "
        "desirable to undesirable is between 1:1 and 4:3",
        label=f"{of} weight",
        choices=(0.5, 1.0, 1.33, 2.0, 4.0),
        source=sources.KTO.short,
    )


KTO = Stage(
    key="kto",
    name="KTO",
    order=50,
    does="Kahneman-Tversky optimization",
    options=(BETA, _weight("desirable"), _weight("undesirable")),
    measures=("beta", "desirable_weight", "undesirable_weight"),
    formats=JUDGED,
    own=JUDGED,
    needs="an answer that is judged good or bad a row",
    remedy="name the columns under data.columns, e.g. {prompt: question, completion: answer, label: good}",
    defaults={"training.epochs": 1.0},
    values={"beta": Fact(0.1, "the value that most published runs use", sources.KTO.short)},
    adapter_rate=AdapterRate(
        5e-6,
        (5e-7, 5e-6),
        "higher rates make answers of both kinds unlikely; full fine-tuning takes a tenth",
        sources.KTO.short,
    ),
    joins=False,
    answers=False,
    likelihood=False,
    reference=2.0,
    again=1.0,
    least=2,
    judged=True,
    advice="Judged answers teach what to avoid, not the task: use a base model that already does it.",
)
