"""What a run is called that nobody named: its data and its model, in few characters."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.preset.schema import Preset

UNNAMED = "untitled"  # the preset's default
LONGEST = 24  # characters of each part
OF_FILES = {"train", "training", "data", "dataset", "rows", "final", "clean", "export", "jsonl"}
OF_MODELS = {"instruct", "chat", "it", "hf", "base", "meta", "bnb", "4bit", "gguf", "awq", "gptq", "preview"}


def run_name(preset: Preset) -> str:
    """Return the preset's name; where it has none, one by its data and its model."""
    if preset.name != UNNAMED:
        return preset.name
    train = preset.data.train
    first = train if isinstance(train, str) else next(iter(train), "")
    return short_name(str(first), preset.model.base)


def short_name(data: str, model: str) -> str:
    """Return lowercase letters, digits, dots and dashes, such as `tickets-qwen3-0.6b`; `run` without any.

    Args:
        data: the first file, directory, `builtin:NAME` or name on the Hub; "" for none.
        model: a name on the Hub, a directory, `builtin:NAME` or `run:NAME`.
    """
    rows = _short(PurePosixPath(data.split(":")[-1]).stem, OF_FILES) or "run"
    base = _short(model.rstrip("/").split(":")[-1].rsplit("/", 1)[-1], OF_MODELS)
    return "-".join(part for part in (rows, base) if part)


def _short(text: str, usual: set[str]) -> str:
    """A part without the words that say nothing, cut between words."""
    words = [word.strip(".") for word in re.split(r"[^a-z0-9.]+", text.lower())]
    words = [re.sub(r"\.{2,}", ".", word) for word in words if word]
    telling = [word for word in words if word not in usual] or words
    found = ""
    for word in telling:
        longer = f"{found}-{word}" if found else word
        if len(longer) > LONGEST:
            break
        found = longer
    return found or "".join(telling[:1])[:LONGEST].rstrip(".")
