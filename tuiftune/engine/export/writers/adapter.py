"""The adapter, with the tokenizer and template it was trained with."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.engine.export.opened import Opened

CONFIG = "adapter_config.json"


def write(opened: Opened, into: Path, form: str, tell: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Copy the adapter into a directory, naming the base model as its users know it."""
    del form
    there = [path for path in paths.entries(opened.result) if paths.is_file(path)]
    total, done = sum(paths.size(path) for path in there), 0
    for path in there:
        shutil.copyfile(path, into / path.name)
        done += paths.size(path)
        tell("copying", done, total)
    config = documents.read_json(into / CONFIG)
    config["base_model_name_or_path"] = opened.base.reference if not opened.base.local else opened.base.source
    (into / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return {"rank": config.get("r")}
