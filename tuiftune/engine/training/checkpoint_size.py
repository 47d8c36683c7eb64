"""What a checkpoint takes on disk, before one is written."""

from __future__ import annotations

from typing import Any

from tuiftune.plan import cost


def checkpoint_bytes(model: Any) -> int:
    """Return what a checkpoint takes on disk at most: trained weights, and an optimizer's states of each."""
    trained = (one for one in model.parameters() if one.requires_grad)
    return sum(one.numel() * (one.element_size() + cost.STATES) for one in trained)
