"""Simple preference optimization: mean log-probabilities as rewards, and a margin; no reference."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tuiftune import sources
from tuiftune.options import Option
from tuiftune.stages.base import AdapterRate, Stage
from tuiftune.stages.dpo import NEEDS_PAIRS, PAIRS, REMEDY
from tuiftune.stages.options import BETA
from tuiftune.techniques.base import Fact

GAMMA_RATIO = Option(
    "gamma_ratio",
    Annotated[float, Field(ge=0, le=10)],
    0.5,
    "margin that the chosen answer is to win by, over beta",
    label="margin over beta",
    choices=(0.0, 0.3, 0.5, 0.8, 1.0),
    source=sources.SIMPO.short,
)

SIMPO = Stage(
    key="simpo",
    name="SimPO",
    order=70,
    does="simple preference optimization",
    options=(BETA, GAMMA_RATIO),
    measures=("beta", "gamma_ratio"),
    formats=PAIRS,
    needs=NEEDS_PAIRS,
    remedy=REMEDY,
    defaults={"training.epochs": 1.0},
    values={"beta": Fact(2.0, "within the 2.0 to 2.5 of most published runs", sources.SIMPO.short)},
    adapter_rate=AdapterRate(
        5e-6,
        (3e-6, 1e-5),
        "very sensitive to it: too high a rate makes answers incoherent; full fine-tuning takes a tenth",
        sources.SIMPO.short,
    ),
    joins=False,
    answers=False,
    likelihood=False,
    sequences=2,
    logits=10,  # as ORPO's without those of its next-token loss: 7.8 to 10.2 on H200s (0.5B, 1B, 8B)
    advice="Pairs teach which of two answers is better, not the task: use a base model that already does it.",
    experimental="trl.experimental.cpo",
)
