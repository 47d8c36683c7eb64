"""What this machine's preflight checks measured against what was predicted, for the next plan.

Kept in $XDG_STATE_HOME/tuiftune/machine.json, by GPU. A ratio is the memory held over the bound (`needs`).
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuiftune import documents, paths
from tuiftune.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 8  # ratios a GPU
MOST = 1.25  # a bound is raised so far at most; never lowered, since other runs may need all of it
MARGIN = 1.01  # above the largest ratio seen


@dataclass(frozen=True, slots=True)
class Correction:
    """The factor on `needs`, and why in words; empty where it is 1."""

    factor: float = 1.0
    why: str = ""


def note(gpu: str, ratio: float) -> None:
    """Remember one preflight check. A state directory that can't be written to costs only that."""
    if not 0 < ratio < 10:
        return
    document = _read()
    gpus = document.setdefault("cards", {})
    known = _ratios(gpus.get(gpu))
    gpus[gpu] = {"ratios": [*known, round(ratio, 4)][-KEPT:], "t": round(time.time(), 3)}
    path = _path()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        staged.write_text(json.dumps(document, indent=1), encoding="utf-8")
        staged.replace(path)


def correction(gpu: str) -> Correction:
    """How to correct a bound on this GPU: raised where a preflight check exceeded it."""
    ratios = _ratios(_read().get("cards", {}).get(gpu))
    if not ratios or max(ratios) <= 1:
        return Correction()
    factor = min(MOST, max(ratios) * MARGIN)
    why = (
        f"A preflight check on this GPU used {max(ratios):.0%} of the predicted memory "
        f"(the most of the last {len(ratios)}), so {factor - 1:.0%} are added to this prediction."
    )
    return Correction(factor, why)


def _path() -> Path:
    return paths.state_home() / "machine.json"


def _read() -> dict[str, Any]:
    with suppress(UserError):
        document = documents.read_json(_path())
        if isinstance(document.get("cards", {}), dict):
            return document
    return {"version": 1, "cards": {}}


def _ratios(entry: Any) -> list[float]:
    given = entry.get("ratios") if isinstance(entry, dict) else None
    found = given if isinstance(given, list) else []
    return [float(one) for one in found if isinstance(one, int | float) and 0 < one < 10]
