"""Group relative policy optimization: several answers to a prompt, those above their mean made likelier."""

from __future__ import annotations

from tuiftune import sources
from tuiftune.stages.reinforcement import reinforcement
from tuiftune.stages.sft import PROMPTS

GRPO = reinforcement(
    "grpo",
    "GRPO",
    80,
    does="group relative policy optimization",
    beta=0.0,
    why_beta="without a reference, as most runs of 2025 and later",
    source=sources.GRPO,
    own=PROMPTS,
)
