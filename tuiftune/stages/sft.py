"""Supervised fine-tuning: prompts with the answers they should get."""

from __future__ import annotations

from tuiftune.stages.base import Stage

PROMPTS = frozenset({"prompt-only"})
ANSWERED = frozenset({"instruction", "chat", "sharegpt", "prompt-completion", "classification"})

SFT = Stage(
    key="sft",
    name="SFT",
    order=10,
    does="supervised fine-tuning",
    formats=ANSWERED | {"text"},
    own=ANSWERED,
    shares=True,
    needs="one answer per row",
    remedy="set method.stage: dpo for pairs, kto for judged answers or grpo for prompts alone, keep the "
    "chosen answers only, or name the columns under data.columns",
)
