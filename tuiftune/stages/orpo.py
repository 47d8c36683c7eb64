"""Odds ratio preference optimization: chosen answers and preferences in one loss, without a reference."""

from __future__ import annotations

from tuiftune import sources
from tuiftune.stages.base import AdapterRate, Stage
from tuiftune.stages.dpo import NEEDS_PAIRS, PAIRS, REMEDY
from tuiftune.stages.options import BETA
from tuiftune.techniques.base import Fact

ORPO = Stage(
    key="orpo",
    name="ORPO",
    order=60,
    does="odds ratio preference optimization",
    options=(BETA,),
    measures=("beta",),
    formats=PAIRS,
    needs=NEEDS_PAIRS,
    remedy=REMEDY,
    defaults={"training.epochs": 1.0},
    values={
        "beta": Fact(
            0.1, "the weight of the odds ratio next to the loss on chosen answers", sources.ORPO.short
        )
    },
    adapter_rate=AdapterRate(
        8e-6,
        (5e-6, 8e-6),
        "as published for a whole model of 7B; full fine-tuning takes a tenth",
        sources.ORPO.short,
    ),
    joins=False,
    answers=False,
    likelihood=False,
    sequences=2,
    logits=12,  # in 16 and 32 bit, and their gradient: 9.8 to 12.2 on H200s (0.5B whole, 1B and 8B adapters)
    advice="ORPO trains on the chosen answers too, so that it can begin with a base model.",
    experimental="trl.experimental.orpo",
)
