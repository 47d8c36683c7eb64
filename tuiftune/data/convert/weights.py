"""How much a message counts in the loss, under the names and in the spellings that trainers use."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuiftune.data.detect import thumbs

if TYPE_CHECKING:
    from collections import Counter

WEIGHTS = (
    "weight", "loss_weight", "loss_scale", "loss", "loss_mask", "train", "training", "trainable",
    "train_on_turn", "compute_loss", "learn", "is_trained", "trained",
)  # fmt: skip
MASKS = ("masked", "mask", "is_masked", "ignore", "skip_loss", "no_loss")  # true keeps the message out
_WORDS = {
    "true": 1.0,
    "yes": 1.0,
    "on": 1.0,
    "false": 0.0,
    "no": 0.0,
    "off": 0.0,
    "none": None,
    "null": None,
    "": None,
}


def number(value: Any) -> float | None:
    """0 or 1 or a factor from true, "0", "False", "0.5" …; None where nothing is said. Raises ValueError for
    anything else.
    """
    if isinstance(value, str):
        said = value.strip().lower()
        if said in _WORDS:
            return _WORDS[said]
        value = float(said)
    if value is None:
        return None
    if not isinstance(value, bool | int | float) or math.isnan(value) or value < 0:
        raise ValueError("no weight")
    return float(value)


def weight_of(item: dict[str, Any], role: str, faults: list[str], lost: Counter[str]) -> float | None:
    """How much a message counts; None where nothing is said. Of several that are said the least counts.

    An unread weight is the fault "weight:unknown", after which the row isn't trained on.
    """
    said: list[float] = []
    for name in item.keys() & _NAMES:
        try:
            value = number(item[name])
        except (ValueError, OverflowError):
            faults.append("weight:unknown")
            lost[f'"{name}" of a message must be numeric, true or false: these rows are not trained on'] += 1
            continue
        if value is not None:
            said.append(float(value == 0) if name in MASKS else value)
    if detail := item.get("train_detail"):
        parts = {bool(part.get("train", True)) for part in detail if isinstance(part, dict)}
        if parts == {False}:
            said.append(0.0)
        elif False in parts:
            faults.append("loss:parts")
            lost["excluded parts of an answer (train_detail) are trained like the rest"] += 1
    weight = min(said, default=None)
    if role == "assistant":
        for name in item.keys() & _VERDICTS:
            if thumbs.turned_down(item[name], name):
                lost[f'answers marked down by "{name}" are excluded from the loss'] += 1
                weight = 0.0
            elif item[name] not in (None, "") and (
                name in thumbs.GRADES or thumbs.is_up(item[name], name) is None
            ):
                lost[f'"{name}" of a message is dropped'] += 1
        if weight is not None and weight not in (0.0, 1.0):
            lost["message weights other than 0 and 1 count as 1"] += 1
    elif weight:
        lost["only assistant messages are trained on, although others are marked"] += 1
    return weight


_NAMES = frozenset((*WEIGHTS, *MASKS))
_VERDICTS = frozenset((*thumbs.VERDICTS, *thumbs.GRADES))
KNOWN = _NAMES | _VERDICTS | {"train_detail"}
