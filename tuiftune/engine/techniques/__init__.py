"""How each technique is applied: the file of its key holds it as `APPLIED`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiftune.engine.techniques.base import Applied


def applied(key: str) -> Applied:
    """How a technique is applied."""
    found: Applied = importlib.import_module(f"tuiftune.engine.techniques.{key}").APPLIED
    return found
