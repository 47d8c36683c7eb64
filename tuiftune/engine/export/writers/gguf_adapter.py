"""The adapter as a GGUF file, by llama.cpp's converter for adapters."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from tuiftune import documents
from tuiftune.deploy.targets.gguf_adapter import FILE
from tuiftune.engine.export import converting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuiftune.engine.export.opened import Opened

ROOM = ".adapter"  # of the directory that is written: the adapter as the converter is given it


def write(opened: Opened, into: Path, form: str, tell: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Write the file into a directory. Returns what the manifest says of it."""
    tell("converting to GGUF", 0, 0)
    room = into / ROOM
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    shutil.copyfile(opened.result / "adapter_model.safetensors", room / "adapter_model.safetensors")
    config = documents.read_json(opened.result / "adapter_config.json")
    if config.get("use_rslora"):  # llama.cpp scales by alpha / rank alone
        config |= {"use_rslora": False, "lora_alpha": config["lora_alpha"] * config["r"] ** 0.5}
    (room / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    converting.convert_adapter(opened, room, into / FILE, form)
    shutil.rmtree(room)
    return {"file": FILE}
