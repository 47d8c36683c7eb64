"""What kind of value stands under each key of a run's documents, checked once, where they are read.

A key that is missing or null is nothing known; a key that isn't listed is left to whoever reads it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuiftune.errors import UserError
from tuiftune.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBER, SHARE, TEXT, FLAG, OBJECT, NUMBERS = (
    "a number",
    "a share from 0 to 1",
    "text",
    "true or false",
    "an object",
    "numbers under names",
)
MOST = 1e18  # bytes, tokens and steps stay far below

_SCORE: Mapping[str, Any] = {
    "loss": NUMBER,
    "perplexity": NUMBER,
    "exact_match": SHARE,
    "final_number": SHARE,
    "interval": [NUMBER],
    "rows": NUMBER,
    "rows_held_out": NUMBER,
}
_MEASURED: Mapping[str, Any] = {"allocated": NUMBER, "reserved": NUMBER, "device": NUMBER, "needs": NUMBER}
PLAN: Mapping[str, Any] = {
    "fits": FLAG,
    "gpu": {
        "name": TEXT,
        "memory_total": NUMBER,
        "memory_available": NUMBER,
        "count": NUMBER,
        "correction": NUMBER,
        "source": TEXT,
    },
    "memory": {"components": NUMBERS, **_MEASURED},
    "resolved": {
        "name": TEXT,
        "model": OBJECT,
        "data": OBJECT,
        "method": OBJECT,
        "training": OBJECT,
        "evaluation": OBJECT,
        "hardware": OBJECT,
        "run": OBJECT,
        "budget": OBJECT,
    },
    "reasons": [{"key": TEXT, "why": TEXT, "source": TEXT}],
    "alternatives": [
        {"changes": OBJECT, "says": TEXT, "fits": FLAG, "needs": NUMBER, "tokens_per_second": NUMBER}
    ],
    "speed": {"tokens_per_second": NUMBER, "basis": TEXT},
    "time": {"seconds": NUMBER, "steps": NUMBER, "tokens": NUMBER},
    "cost": {"usd": NUMBER, "per_hour": NUMBER},
    "notes": [TEXT],
    "model": {"reference": TEXT, "parameters": NUMBER, "source": TEXT, "licence": TEXT},
    "data": {
        "files": [TEXT],
        "format": TEXT,
        "rows": NUMBER,
        "rows_eval": NUMBER,
        "mean_length": NUMBER,
        "longest": NUMBER,
        "basis": TEXT,
        "lost": [TEXT],
        "portions": [OBJECT],
    },
    "created": {"t": NUMBER, "version": TEXT},
    "preflight": FLAG,
    "rehearse": FLAG,  # in runs of earlier versions
    "larger": {"micro_batch": NUMBER, "needs": NUMBER},
}
RESULT: Mapping[str, Any] = {
    "before": _SCORE,
    "after": _SCORE,
    "best_step": NUMBER,
    "steps": NUMBER,
    "seconds": NUMBER,
    "tokens": NUMBER,
    "samples": [{"prompt": TEXT, "reference": TEXT, "before": TEXT, "after": TEXT}],
    "model": TEXT,
    "technique": TEXT,
    "trainable": NUMBER,
    "parameters": NUMBER,
    "preflight": {"measured": _MEASURED, "predicted": _MEASURED},
    "rehearsal": {"measured": _MEASURED, "predicted": _MEASURED},  # in runs of earlier versions
}


def checked(document: dict[str, Any], shape: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The document with null for numbers that are none. UserError names the first key with another kind of
    value.
    """
    found: dict[str, Any] = _as(document, shape, "", place)
    return found


def _as(value: Any, shape: Any, key: str, place: str) -> Any:
    if value is None or shape is None:
        return value
    if isinstance(shape, str):
        return _plain(value, shape, key, place)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise _wrong(value, "a list", key, place)
        return [_as(item, shape[0], key, place) for item in value if item is not None]
    if not isinstance(value, dict):
        raise _wrong(value, OBJECT, key, place)
    return {name: _as(item, shape.get(name), f"{key}.{name}", place) for name, item in value.items()}


def _plain(value: Any, kind: str, key: str, place: str) -> Any:
    if kind == NUMBERS and isinstance(value, dict):
        return {name: _as(item, NUMBER, f"{key}.{name}", place) for name, item in value.items()}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (NUMBER, SHARE) and number:
        if not math.isfinite(value):
            return None
        if (0 <= value <= 1) if kind == SHARE else abs(value) <= MOST:
            return value
    kinds = {TEXT: str, FLAG: bool, OBJECT: dict}
    if kind in kinds and isinstance(value, kinds[kind]):
        return value
    raise _wrong(value, kind, key, place)


def _wrong(value: Any, kind: str, key: str, place: str) -> UserError:
    shown = printable(str(value))
    shown = shown if len(shown) <= 40 else f"{shown[:39]}…"
    return UserError(
        f"`{printable(key.removeprefix('.'))}` is {shown or 'empty'}, expected {kind}",
        place=place,
        remedy="the file was changed or damaged: copy the run again",
    )
