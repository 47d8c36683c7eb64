"""Direct preference optimization: pairs of answers, of which the chosen one becomes likelier."""

from __future__ import annotations

from typing import Literal

from tuiftune import sources
from tuiftune.options import Option
from tuiftune.stages.base import AdapterRate, Stage
from tuiftune.stages.options import BETA
from tuiftune.techniques.base import Fact

PAIRS = frozenset({"preference"})
NEEDS_PAIRS = "a prompt with a chosen and a rejected answer per row"
REMEDY = "name the columns under data.columns, e.g. {prompt: question, chosen: good, rejected: bad}"

LOSS_TYPE = Option(
    "loss_type",
    Literal["sigmoid", "ipo", "hinge", "sigmoid_norm"],
    "sigmoid",
    "sigmoid: as published; ipo: bounded, for labels that are certain; hinge: a margin; "
    "sigmoid_norm: log-probabilities per token, against long answers",
    label="loss type",
    choices=("sigmoid", "ipo", "hinge", "sigmoid_norm"),
    source=sources.DPO.short,
)

DPO = Stage(
    key="dpo",
    name="DPO",
    order=30,
    does="direct preference optimization",
    options=(BETA, LOSS_TYPE),
    measures=("beta", "loss_type"),
    formats=PAIRS,
    own=PAIRS,
    needs=NEEDS_PAIRS,
    remedy=REMEDY,
    defaults={"training.epochs": 1.0},
    values={"beta": Fact(0.1, "the value that most published runs use", sources.DPO.short)},
    adapter_rate=AdapterRate(
        5e-6,
        (5e-6, 1e-5),
        "higher rates make both answers of a pair unlikely; full fine-tuning takes a tenth",
        sources.together(sources.NO_REGRET, sources.DPO),
    ),
    joins=False,
    answers=False,
    likelihood=False,
    sequences=2,
    reference=1.0,
    advice="Pairs teach which of two answers is better, not the task: use a base model that already does it.",
)
