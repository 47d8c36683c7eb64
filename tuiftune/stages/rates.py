"""Learning rates with LoRA of stages that train on preferences and rewards; full fine-tuning takes a
tenth.
"""

from __future__ import annotations

from tuiftune import sources
from tuiftune.stages.base import AdapterRate

_LOW = "preference losses move a model quickly: far below the rate of supervised fine-tuning"

DPO = AdapterRate(5e-6, (5e-6, 1e-5), _LOW, sources.together(sources.DEFAULT, sources.DPO))
KTO = AdapterRate(5e-6, (5e-6, 5e-6), _LOW, sources.together(sources.DEFAULT, sources.KTO))
ORPO = AdapterRate(8e-6, (5e-6, 8e-6), _LOW, sources.ORPO.short)
SIMPO = AdapterRate(
    5e-6,
    (3e-6, 1e-5),
    "very sensitive to the rate: ten times what its authors take for full fine-tuning (3e-7 to 1e-6)",
    sources.together(sources.SIMPO, sources.NO_REGRET),
)
GRPO = AdapterRate(
    1e-5,
    (5e-6, 4e-5),
    "rewards are noisy: far below the rate of supervised fine-tuning",
    sources.together(sources.DEFAULT, sources.GRPO),
)
REWARD = AdapterRate(1e-4, (5e-5, 2e-4), "a new score head is trained with the adapters", sources.DEFAULT)
