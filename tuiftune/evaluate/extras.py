"""Libraries of the `evaluate` extra: present, or one line that says how to install them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from tuiftune.errors import UserError

INSTALL = "pip install 'tuiftune[evaluate]'"


def present(module: str) -> bool:
    """Return True if a module can be imported, without importing it."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def need(module: str, what: str) -> Any:
    """Import a module of the extra.

    Raises:
        UserError: if it is not installed; `what` is what it is needed for.
    """
    try:
        return importlib.import_module(module)
    except ImportError as fault:
        name = module.partition(".")[0]
        raise UserError(f"{name} is not installed", place=what, remedy=f"install it: {INSTALL}") from fault
