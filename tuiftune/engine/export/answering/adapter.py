"""An exported adapter on its base model, answered from by transformers and PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.engine.export.answering.whole import Whole, load

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.export.opened import Opened, Rows


def open_artifact(opened: Opened, directory: Path, rows: Rows) -> Whole:
    """The base model with the exported adapter, and the tokenizer and template that lie with it."""
    return Whole(load(opened, opened.base_files, directory), opened.tokenizer(directory), rows)
