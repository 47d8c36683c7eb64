"""Supervised fine-tuning: prompts with the answers they should get."""

from __future__ import annotations

from tuiftune.stages.base import Stage

SFT = Stage(key="sft", name="SFT", order=10, does="supervised fine-tuning")
