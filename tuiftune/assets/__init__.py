"""What the package carries so that it works offline: a tiny base model, a dataset to tune it on, a run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE = Path(__file__).parent

BASE: Final = _HERE / "base"
"""A directory as transformers reads it: config, weights in safetensors, tokenizer with a chat template."""

TRAIN: Final = _HERE / "tickets.jsonl"
"""Chats of two messages: a customer's message, and the ticket line that the house wants for it."""

RECORDED: Final = _HERE / "recorded"
"""A run directory: the demo as it once ran, for the tour to show."""

MODEL_NAME: Final = "builtin:tiny"
DATA_NAME: Final = "builtin:tickets"

BUILTIN_MODELS: Final = {MODEL_NAME: BASE}
BUILTIN_DATA: Final = {DATA_NAME: TRAIN}
