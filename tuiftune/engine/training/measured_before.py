"""What the same run measured on this machine before: its preflight check and its base model in FP8.

Kept in $XDG_STATE_HOME/tuiftune/preflights.json, the newest KEPT, by a key of all that decides them. So a run
that is started again, unchanged, begins to train without measuring a second time.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.cache import content
from tuiftune.engine.process import gpu
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from tuiftune.engine.training.settings import Settings

KEPT = 64
LEVERS = {"activation_checkpointing", "activation_offloading", "kernels", "compile"}
CODE = ("engine", "techniques", "stages")
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "liger-kernel", "torchao")


@dataclass(frozen=True, slots=True)
class Before:
    """What an earlier run kept: `check` of its preflight check, `base` of its FP8 comparison."""

    run: str
    check: dict[str, Any]
    base: dict[str, Any] = field(default_factory=dict)


def key(print_: dict[str, Any], settings: Settings, device: str) -> str:
    """A key of the run's fingerprint, its levers, this GPU, and the code that runs on it."""
    preset = settings.preset
    return content.key_of(
        sorted((name, repr(value)) for name, value in print_.items()),
        preset.training.model_dump(mode="json", include=LEVERS),
        preset.hardware.model_dump(mode="json"),
        preset.evaluation.model_dump(mode="json"),
        preset.model.attention,
        sorted(settings.predicted.items()),
        gpu.name_of(device),
        [_version(name) for name in LIBRARIES],
        content.of_code(CODE),
    )


def find(key: str, capacity: int | None) -> Before | None:
    """What was measured under a key, if it fits into `capacity` bytes of GPU memory."""
    entry = _read().get(key)
    if not isinstance(entry, dict):
        return None
    check, base = entry.get("check"), entry.get("base")
    if not (isinstance(check, dict) and isinstance(check.get("measured"), dict)):
        return None
    held = check["measured"].get("needs")
    if capacity is not None and not (isinstance(held, int) and held <= capacity):
        return None
    return Before(str(entry.get("run")), check, base if isinstance(base, dict) else {})


def note(key: str, found: Before) -> None:
    """Remember it. A state directory that can't be written to costs only that."""
    entry = {"run": found.run, "check": found.check, "base": found.base, "t": round(time.time(), 3)}
    others = {name: one for name, one in _read().items() if name != key}
    kept = dict([*others.items(), (key, entry)][-KEPT:])
    from tuiftune.runs.store.directory import write_text

    with suppress(OSError):
        _path().parent.mkdir(parents=True, exist_ok=True)
        write_text(_path(), json.dumps({"version": 1, "checks": kept}, indent=1) + "\n")


def _path() -> Path:
    return paths.state_home() / "preflights.json"


def _read() -> dict[str, Any]:
    with suppress(UserError):
        checks = documents.read_json(_path()).get("checks")
        if isinstance(checks, dict):
            return checks
    return {}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
