"""REINFORCE leave-one-out: several answers to each prompt, each compared with the mean of the others."""

from __future__ import annotations

from tuiftune import sources
from tuiftune.stages.reinforcement import reinforcement

RLOO = reinforcement(
    "rloo",
    "RLOO",
    90,
    does="REINFORCE leave-one-out",
    beta=0.05,
    why_beta="as in TRL: rewards are lessened by how far the model is from its base",
    source=sources.RLOO,
)
